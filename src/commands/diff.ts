import { readConfigFile } from "../declared/config-file.ts";
import { makePlan } from "../declared/make-plan.ts";
import { differs, type Plan } from "../declared/plan.ts";
import { invocation } from "../invocation.ts";
import { JSON_OPTION, parseCommand, type Command, type Options } from "./command.ts";
import { describePlan, describeRemedy } from "./describe-plan.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  check: {
    type: "boolean",
    default: false,
    about: "exits with 1 if there is a difference, and counts no rows: for CI",
  },
  prune: {
    type: "boolean",
    default: false,
    about: "counts sources that the file does not name as a difference: to be unwatched",
  },
  config: {
    type: "string",
    value: "FILE",
    about: "the file that declares the sources; default: autoembed.config.ts, .mts, .js, .mjs or .json",
  },
  json: JSON_OPTION,
} as const satisfies Options;

export const diff: Command = {
  usage: invocation("diff", "[--check] [--prune] [--config FILE] [--json]"),
  summary:
    "compare the sources that autoembed.config.ts declares with the database, and estimate what apply would take; sends nothing",
  options: OPTIONS,
  examples: [
    [invocation("diff"), "what apply would do, with rows, tokens, time and cost"],
    [invocation("diff", "--check"), "in CI: exits with 1 if the database is not as the file declares it"],
  ],
  async run(args) {
    const { values } = parseCommand(diff, args, { options: OPTIONS });
    const file = await readConfigFile(values.config);
    const signal = abortedBySignal();
    return await withDatabase(async (db, config) => {
      const counts = !values.check;
      const plan = await makePlan(db, config, file, { prune: values.prune, counts, signal });
      if (values.json) {
        console.log(jsonOf(plan));
      } else {
        const remedy = describeRemedy(plan);
        console.log([describePlan(plan, counts), ...(remedy === undefined ? [] : [remedy])].join("\n"));
      }
      const hasFailed = values.check ? differs(plan) : plan.problems.length > 0;
      return hasFailed ? 1 : 0;
    }, signal);
  },
};

/** Without the options that `watch` is called with: they repeat the file. */
function jsonOf(plan: Plan): string {
  const steps = plan.steps.map((step) => {
    if (step.step !== "watch") return step;
    const { options: _, ...rest } = step;
    return rest;
  });
  return JSON.stringify({ ...plan, steps, differs: differs(plan) });
}
