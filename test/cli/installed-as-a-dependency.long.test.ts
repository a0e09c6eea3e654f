import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";
import { invocation, type CommandName } from "../../src/invocation.ts";

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** A project that has the package as its dependency. */
async function prepareProject(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "autoembed-dependency-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const installed = join(folder, "node_modules/pg-autoembed");
  await mkdir(installed, { recursive: true });
  for (const part of ["dist", "migrations", "package.json"]) {
    await cp(join(PROJECT, part), join(installed, part), { recursive: true });
  }
  await symlink(join(PROJECT, "node_modules"), join(installed, "node_modules"));
  return folder;
}

test("A package that is installed as a dependency names npx in its help", async () => {
  const folder = await prepareProject();
  const cli = join(folder, "node_modules/pg-autoembed/dist/cli.js");
  const { stdout } = await run(process.execPath, [cli, "help"], { cwd: folder });
  expect(stdout).toContain("npx pg-autoembed search");
  expect(stdout).not.toContain("npm ");
});

test.each(["import { watch } from 'pg-autoembed'", "const { watch } = require('pg-autoembed')"])(
  "A package that is installed as a dependency is loaded by %s",
  async (statement) => {
    const type = statement.startsWith("import") ? "module" : "commonjs";
    const script = `${statement}; console.log(typeof watch)`;
    const folder = await prepareProject();
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", script], { cwd: folder });
    expect(stdout.trim()).toBe("function");
  },
);

test("A command is called by npm in this project, and by npx in a project that depends on it", () => {
  expect(invocation("start", "", false)).toBe("npm start");
  expect(invocation("status", "", false)).toBe("npm run status");
  expect(invocation("status", "--json", false)).toBe("npm run status -- --json");
  expect(invocation("start", "", true)).toBe("npx pg-autoembed start");
  expect(invocation("status", "--json", true)).toBe("npx pg-autoembed status --json");
});

test.each([
  ["tickets", "tickets"],
  ["app.tickets", "app.tickets"],
  ["note chunks", '"note chunks"'],
  ["patient's notes", `"patient's notes"`],
  ['the "notes"', `'the "notes"'`],
  ["$HOME's", `'$HOME'\\''s'`],
  ["", '""'],
])("The name %s is pasted into a shell as %s, and a shell reads it back", async (name, pasted) => {
  expect(invocation("backfill", ["--source", name], true)).toBe(
    `npx pg-autoembed backfill --source ${pasted}`,
  );
  const { stdout } = await run("sh", ["-c", `printf %s ${pasted}`]);
  expect(stdout).toBe(name);
});

test("The usage of every command begins with how it is called", async () => {
  for (const [name, load] of Object.entries(COMMANDS)) {
    const { usage } = await load();
    expect(usage).toMatch(new RegExp(`^${invocation(name as CommandName)}( -- |$)`));
  }
});
