import { showProgress } from "../backfill/progress.ts";
import { applyPlan } from "../declared/apply-plan.ts";
import { readConfigFile } from "../declared/config-file.ts";
import { makePlan } from "../declared/make-plan.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { confirm, isInteractive } from "./ask.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { describePlan } from "./describe-plan.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  yes: { type: "boolean", default: false, about: "does not ask; needed where there is no terminal" },
  prune: { type: "boolean", default: false, about: "unwatches the sources that the file does not name" },
  "no-backfill": {
    type: "boolean",
    default: false,
    about: "leaves the rows that exist already, and their indexes, to a later call",
  },
  config: {
    type: "string",
    value: "FILE",
    about: "the file that declares the sources; default: autoembed.config.ts, .mts, .js, .mjs or .json",
  },
} as const satisfies Options;

export const apply: Command = {
  usage: invocation("apply", "[--yes] [--prune] [--no-backfill] [--config FILE]"),
  summary:
    "make the database as autoembed.config.ts declares it: watch, backfill, index; after an interruption, run it again",
  options: OPTIONS,
  examples: [
    [invocation("apply"), "shows what it would do, asks, and does it"],
    [
      invocation("apply", "--yes --no-backfill"),
      "in a deployment: sources only; nothing is sent but one word to a provider whose length is unknown",
    ],
  ],
  async run(args) {
    const { values } = parseCommand(apply, args, { options: OPTIONS });
    if (!values.yes && !isInteractive()) {
      throw new UsageError(
        "There is no terminal to ask on.",
        `Look first: ${invocation("diff")}\nThen: ${invocation("apply", "--yes")}`,
      );
    }
    const file = await readConfigFile(values.config);
    const signal = abortedBySignal();
    return await withDatabase(async (db, config) => {
      const plan = await makePlan(db, config, file, { prune: values.prune, counts: true, signal });
      console.log(describePlan(plan, true));
      if (plan.steps.length === 0 && plan.problems.length === 0) return 0;
      if (!values.yes && plan.problems.length === 0 && !(await confirm("Do this?", signal))) {
        console.log("Nothing was done.");
        return 1;
      }
      const left = await applyPlan(db, config, plan, {
        backfill: !values["no-backfill"],
        progress: () => showProgress(),
        onStep: (line) => {
          console.log(line);
        },
        onProblem: (problem) => {
          console.error(problem);
        },
        signal,
      });
      console.log(
        left.length === 0 ? "Done." : ["Left to do:", ...left.map((line) => `  ${line}`)].join("\n"),
      );
      return left.length === 0 || values["no-backfill"] ? 0 : 1;
    }, signal);
  },
};
