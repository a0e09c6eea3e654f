import { beforeEach, expect, test, vi } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";

// Nothing listens there: a call that is not refused before it connects fails in another way.
beforeEach(() => {
  vi.stubEnv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
  return () => vi.unstubAllEnvs();
});

test.each([
  ["pause notes --json", "There is no option --json."],
  ["resume --json", "There is no option --json."],
  ["unwatch notes --yes", "There is no option --yes."],
  ["status --jsn", "There is no option --jsn. Did you mean --json?"],
  ["search x --source a --source b", "--source is given more than once, and takes one value."],
  ["erase --source notes --source=odd --key 7", "--source is given more than once, and takes one value."],
  ["backfill --spend -1", "--spend takes a value. One that begins with a dash: --spend=-1"],
  ["status --max-age", "--max-age takes a value."],
  ["status --json=yes", "--json takes no value."],
])("`%s` is refused with a sentence and the usage", async (call, problem) => {
  const [name = "", ...args] = call.split(" ");
  const command = await COMMANDS[name]?.();
  await expect(command?.run(args)).rejects.toMatchObject({
    name: "UsageError",
    message: problem,
    remedy: `Usage: ${command?.usage ?? ""}`,
  });
});
