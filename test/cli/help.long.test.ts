import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";
import { describeCommand, describeCommands } from "../../src/commands/help.ts";
import { runCommand } from "../support/command.ts";

const commands = await Promise.all(
  Object.entries(COMMANDS).map(async ([name, load]) => [name, await load()] as const),
);

async function run(...args: string[]) {
  const command = runCommand(args, {});
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

/** `--source`, `--limit` and so on, each once. */
function optionsIn(text: string): string[] {
  return [...new Set([...text.matchAll(/--([a-z][\w.-]*)/g)].map(([, name]) => name ?? ""))].sort();
}

test.each(commands)("The usage line of %s has its options, and no other", (_, { usage, options }) => {
  expect(optionsIn(usage)).toEqual(Object.keys(options).sort());
});

test.each(commands)("The help of %s explains each option, and has examples", (_, command) => {
  const help = describeCommand(command);
  for (const [name, { about }] of Object.entries(command.options)) {
    expect(help).toMatch(new RegExp(`^  --${name}.*  ${about.slice(0, 10).replaceAll(/[^\w ]/g, ".")}`, "m"));
  }
  expect(command.examples.length).toBeGreaterThanOrEqual(2);
  for (const [call, what] of command.examples) {
    expect(help).toContain(`  ${call}\n      ${what}`);
    const unknown = optionsIn(call).filter((name) => !(name in command.options));
    expect(unknown).toEqual([]);
  }
});

test.each([
  ["backfill", "--help"],
  ["backfill", "-h"],
  ["backfill", "--source", "x", "--help"],
  ["help", "backfill"],
  ["--help", "backfill"],
])("`%s %s` prints the help of the command, and runs nothing", async (...args) => {
  const { backfill } = await import("../../src/commands/backfill.ts");
  expect(await run(...args)).toEqual({ code: 0, stdout: `${describeCommand(backfill)}\n`, stderr: "" });
});

test.each([[], ["help"], ["--help"], ["-h"]])("`pg-autoembed %s` lists every command", async (...args) => {
  expect(await run(...args)).toEqual({ code: 0, stdout: `${await describeCommands()}\n`, stderr: "" });
});

test.each(["--version", "-v"])("`%s` prints the version of the package", async (option) => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(await run(option)).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test.each([
  [["stat"], 'There is no command "stat". Did you mean status?'],
  [["serach", "x"], 'There is no command "serach". Did you mean search?'],
  [["stauts"], 'There is no command "stauts". Did you mean status?\nAll commands: npx pg-autoembed help\n'],
  [["help", "wach"], 'There is no command "wach". Did you mean watch?'],
  [["fly"], 'There is no command "fly".\n'],
  [["status", "--jsno"], "There is no option --jsno. Did you mean --json?"],
  [["backfill", "--dryrun"], "There is no option --dryrun. Did you mean --dry-run?"],
  [["watch", "t", "--model-name", "x"], "There is no option --model-name. Did you mean --model?"],
])("A misspelling (%j) exits with 2 and the nearest name", async (args, says) => {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(says);
});
