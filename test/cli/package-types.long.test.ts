import { execFile } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { recipesOf } from "../support/recipes.ts";

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const CONSUMER = join(PROJECT, "node_modules/.cache/consumer");

const APPLICATION = `
import { createListener, createSearch, defineConfig, migrate, readConfig, search, unwatch, watch, type Listener, type Hit } from "pg-autoembed";

const config = { ...readConfig({}), DATABASE_URL: "postgres://user@127.0.0.1/database" };
const listener: Listener = createListener(config);
export async function application(): Promise<readonly Hit[]> {
  await migrate(config);
  await migrate({ databaseUrl: config.DATABASE_URL, dimensions: 8 });
  const watched = await watch(config, { table: "products", text: "description", type: "halfvec" });
  await listener.start();
  await listener.whenDrained();
  const found = await search(config, "rain coat", { source: watched.name });
  const distance: number | null | undefined = found[0]?.distance;
  // @ts-expect-error a distance is a number: were the types lost, this would pass unnoticed
  const wrong: string | undefined = found[0]?.distance;
  const products = createSearch<{ id: number; title: string }>({ config });
  const { hits } = await products.search("rain coat", { where: { id: { lt: 5 } }, select: ["title"] });
  const title: string | undefined = hits[0]?.row.title;
  // @ts-expect-error the table has no such column
  await products.search("rain coat", { where: { colour: title } });
  // @ts-expect-error a table is needed
  await watch(config, { text: "description" });
  defineConfig({ sources: [{ table: "products", columns: ["title", "description"], index: true }] });
  // @ts-expect-error the text is one expression or some columns
  defineConfig({ sources: [{ table: "products", text: "title", columns: ["description"] }] });
  // @ts-expect-error there is no such field
  defineConfig({ sources: [{ table: "products", text: "title", colour: "red" }] });
  await unwatch(config, watched.name);
  return distance === undefined || wrong === undefined ? [] : found;
}
`;

beforeAll(async () => {
  await rm(CONSUMER, { recursive: true, force: true });
  await mkdir(join(CONSUMER, "node_modules"), { recursive: true });
  await symlink(PROJECT, join(CONSUMER, "node_modules/pg-autoembed"));
  await writeFile(join(CONSUMER, "package.json"), '{"name": "consumer", "type": "module", "private": true}');
  await writeFile(join(CONSUMER, "application.ts"), APPLICATION);
  const recipes = await recipesOf("docs/sources.md");
  const [config, application, ...more] = recipes.filter(({ language }) => language === "ts");
  expect(more).toEqual([]);
  await writeFile(join(CONSUMER, "autoembed.config.ts"), config?.body ?? "");
  await writeFile(join(CONSUMER, "recipe.ts"), application?.body ?? "");
}, 120_000);

test.each([
  ["Node", ["--module", "nodenext"]],
  ["a bundler", ["--module", "esnext", "--moduleResolution", "bundler"]],
])(
  "An application compiles against the published types, resolved as %s does",
  async (_name, options) => {
    const compiled = run(
      process.execPath,
      [
        join(PROJECT, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--skipLibCheck", "--target", "es2023", "--types", "node"],
        ...[
          "--typeRoots",
          join(PROJECT, "node_modules/@types"),
          ...options,
          "application.ts",
          "autoembed.config.ts",
          "recipe.ts",
        ],
      ],
      { cwd: CONSUMER },
    ).then(
      () => "compiled",
      (error: unknown) => (error as { stdout: string }).stdout,
    );
    expect(await compiled).toBe("compiled");
  },
  120_000,
);

test("Node loads the package by its name, and loading starts nothing", async () => {
  const { stdout } = await run(
    process.execPath,
    ["--input-type=module", "-e", "console.log(Object.keys(await import('pg-autoembed')).join(' '))"],
    { cwd: CONSUMER },
  );
  expect(stdout.trim().split(" ")).toEqual([
    "SetupError",
    "UsageError",
    "createListener",
    "createSearch",
    "defineConfig",
    "migrate",
    "readConfig",
    "search",
    "unwatch",
    "watch",
  ]);
}, 180_000);
