import { beforeEach, expect, test, vi } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";

// Nothing listens there: a call that is not refused before it connects fails in another way.
beforeEach(() => {
  vi.stubEnv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
  return () => vi.unstubAllEnvs();
});

test.each([
  ["remodel tickets --finish --dry-run", "--dry-run and --finish exclude each other."],
  ["remodel tickets --cancel --dry-run", "--dry-run and --cancel exclude each other."],
  ["remodel tickets --pause --dry-run", "--dry-run and --pause exclude each other."],
  ["remodel tickets --rollback --finish", "--rollback and --finish exclude each other."],
  ["remodel tickets --finish --force", "--finish cannot be used with --force."],
  ["remodel tickets --rollback --force --model m", "--rollback cannot be used with --model."],
  ["remodel tickets --pause --setting timeout_ms=9", "--pause cannot be used with --setting."],
  ["adopt --rollback docs --dry-run", "--rollback cannot be used with --dry-run."],
  ["adopt --rollback docs --yes --sample 5", "--rollback cannot be used with --yes and --sample."],
  ["adopt pgai --rollback docs", "Name one source."],
  ["adopt pgai --dry-run --force", "--force is for --rollback."],
  ["watch --list --text body", "--list cannot be used with --text."],
  ["watch public.tickets --list", "Unexpected argument 'public.tickets'."],
  ["migrate --print --from-0.1", "--print and --from-0.1 exclude each other."],
  ["migrate --after 000003", "--after is for --print."],
  ["index tickets --measure --now", "--measure and --now exclude each other."],
  ["index tickets --sample 2000", "--sample is for --measure."],
  ["status --max-age 60", "--max-age is for --check."],
  ["search word --hybrid --meaning", "--hybrid and --meaning exclude each other."],
  ["search word --meaning --language english", "--language and --meaning exclude each other."],
  ["search --like 7 --hybrid", "--like and --hybrid exclude each other."],
  ["backfill --per-row --all", "--per-row and --all exclude each other."],
  ["backfill --per-row --dry-run", "--per-row and --dry-run exclude each other."],
  ["backfill --batch --no-batch", "--batch and --no-batch exclude each other."],
])("`%s` is refused before anything is done, since one option would go unheeded", async (call, problem) => {
  const [name = "", ...args] = call.split(" ");
  const command = await COMMANDS[name]?.();
  await expect(command?.run(args)).rejects.toMatchObject({
    name: "UsageError",
    message: expect.stringContaining(problem) as string,
  });
});
