import { execFile } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse } from "dotenv";
import { expect } from "vitest";
import { SETTING_NAMES } from "../../src/config.ts";
import { oracleVector } from "./oracle-vector.ts";
import { withClient } from "./with-client.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

export interface Recipe {
  readonly page: string;
  readonly line: number;
  /** What stands behind the opening fence: `sh`, `sql`, `ts`, `console` (commands and what they print), or nothing. */
  readonly language: string;
  readonly body: string;
}

export interface RecipeContext {
  readonly databaseUrl: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Dimensions of the vector that a statement's `$1` gets. */
  readonly dimensions: number;
  /** What of a text that was printed is compared; all of it if not given. */
  readonly compared?: (printed: string) => string;
}

export async function recipesOf(page: string): Promise<Recipe[]> {
  const text = await readFile(join(PROJECT, page), "utf8");
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(
    ({ index, 1: language = "", 2: body = "" }) => ({
      page,
      line: text.slice(0, index).split("\n").length,
      language,
      body,
    }),
  );
}

const RUNNERS: Readonly<
  Record<string, ((recipe: Recipe, context: RecipeContext) => Promise<void>) | undefined>
> = {
  sh: async ({ body }, { environment }) => {
    await shell(`set -e\n${body}`, environment);
  },
  console: async ({ body }, { environment, compared = (printed) => printed }) => {
    const commands = body.split(/^\$ /m).slice(1);
    for (const [command = "", ...printed] of commands.map((part) => part.split("\n"))) {
      const output = await shell(`{ ${command}\n} 2>&1 || true`, environment);
      const tidy = output.trim().replaceAll(/[ \t]+$/gm, "");
      expect(compared(tidy)).toBe(compared(printed.join("\n").trim()));
    }
  },
  sql: async ({ body }, { databaseUrl, dimensions }) => {
    const vector = JSON.stringify([...oracleVector("a query", dimensions)]);
    await withClient(databaseUrl, async (client) => {
      const { command, rowCount } = await client.query(body, body.includes("$1") ? [vector] : []).then(
        // The result of the last of several statements.
        (result) => [result].flat().at(-1) ?? result,
      );
      if (command === "SELECT") expect(rowCount).toBeGreaterThan(0);
    });
  },
  // A .env file for a server that is not here: that its settings exist is all that is known here.
  ini: ({ body }) => {
    for (const name of Object.keys(parse(body))) expect(SETTING_NAMES).toContain(name);
    return Promise.resolve();
  },
  // A file of settings for another program: that it can be read is all that is known here.
  json: ({ body }) => {
    JSON.parse(body);
    return Promise.resolve();
  },
  ts: async ({ body }, { environment }) => {
    const folder = await mkdtemp(join(tmpdir(), "recipe-"));
    try {
      await mkdir(join(folder, "node_modules"));
      await symlink(PROJECT, join(folder, "node_modules/pg-autoembed"));
      for (const library of ["pg", "drizzle-orm"])
        await symlink(join(PROJECT, "node_modules", library), join(folder, "node_modules", library));
      await writeFile(join(folder, "package.json"), '{"type": "module"}');
      await writeFile(join(folder, "recipe.ts"), body);
      await promisify(execFile)(process.execPath, ["--import", "tsx", join(folder, "recipe.ts")], {
        cwd: PROJECT,
        env: { ...process.env, ...environment },
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/** Does what a recipe says. @throws with the page and the line, where it fails or its language cannot be run */
export async function follow(recipe: Recipe, context: RecipeContext): Promise<void> {
  const { page, line, language } = recipe;
  const run = RUNNERS[language];
  if (run === undefined)
    throw new Error(`${page}:${line}: nothing runs a block of ${language || "no language"}`);
  await run(recipe, context).catch((error: unknown) => {
    throw new Error(`${page}:${line}: ${(error as Error).message}`, { cause: error });
  });
}

/** In the project itself, npm's npx would pack the package first, and so build it anew under the other tests. */
const NPX = 'npx() { [ "$1" = pg-autoembed ] || return 1; shift; node dist/cli.js "$@"; }';

async function shell(script: string, environment: RecipeContext["environment"]): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", ["-c", `${NPX}\n${script}`], {
    cwd: PROJECT,
    env: { ...process.env, ...environment },
  });
  return stdout;
}
