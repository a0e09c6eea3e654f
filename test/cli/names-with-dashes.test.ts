import { expect, test } from "vitest";
import { backfill } from "../../src/commands/backfill.ts";
import { parseCommand, type Options } from "../../src/commands/command.ts";
import { invocation } from "../../src/invocation.ts";

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "a source" },
  all: { type: "boolean", default: false, about: "all of it" },
} as const satisfies Options;

/** What a shell makes of the arguments of a printed command: no name here needs quotes. */
function argumentsOf(printed: string): string[] {
  return printed.split(" ").slice(3);
}

test.each(["-dash", "--dashes", "plain"])(
  "The source %s that a printed command names is the one that the command takes",
  (name) => {
    const printed = invocation("backfill", ["--source", name, "--all"], true);
    expect(parseCommand(backfill, argumentsOf(printed), { options: OPTIONS }).values).toEqual({
      source: name,
      all: true,
    });
  },
);

test("A source that is named without an option is told from one too", () => {
  const printed = invocation("pause", ["-dash"], true);
  const { positionals } = parseCommand(backfill, argumentsOf(printed), { allowPositionals: true });
  expect(positionals).toEqual(["-dash"]);
});
