import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runNode } from "../support/command.ts";

test.each([
  ["18.20.8", 2],
  ["20.18.3", 2],
  ["20.19.0", 0],
  ["22.0.0", 0],
])("Started by Node %s, the command line exits with %i", async (version, code) => {
  const disguise = join(await mkdtemp(join(tmpdir(), "autoembed-node-")), "disguise.cjs");
  await writeFile(
    disguise,
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`,
  );
  const command = runNode(["--require", disguise, "dist/cli.js", "--version"], {}, process.cwd());
  expect(await command.exited).toBe(code);
  const says = `pg-autoembed needs Node 20.19 or newer, and this is Node ${version}.\n`;
  expect(command.stderr().startsWith(says)).toBe(code === 2);
});

test("The entry file imports nothing before it has looked at the version, and asks for what package.json asks", async () => {
  const entry = await readFile("dist/cli.js", "utf8");
  expect(entry).not.toMatch(/^\s*import\b(?!\()|\bfrom "/m);
  const { engines } = JSON.parse(await readFile("package.json", "utf8")) as { engines: { node: string } };
  expect(entry).toContain(`OLDEST = [${engines.node.replace(">=", "").replace(".", ", ")}]`);
});
