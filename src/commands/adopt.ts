import { findWork } from "../adopt/find.ts";
import { TOOLS } from "../adopt/found.ts";
import { planAdoption, type AdoptPlan } from "../adopt/plan.ts";
import { prove, requireProof, type Proof } from "../adopt/prove.ts";
import { rollBack } from "../adopt/roll-back.ts";
import { takeOver, type Adopted } from "../adopt/take-over.ts";
import type { Config } from "../config.ts";
import { sqlName } from "../database/identifier.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import { ADOPT_OPTIONS, DEFAULT_SAMPLE, thresholdOf, toolOf } from "./adopt-options.ts";
import { confirm, isInteractive } from "./ask.ts";
import { parseCommand, wholeNumber, type Command } from "./command.ts";
import { describeAdopted, describeAdoption, describeGivenBack, describeProof } from "./describe-adoption.ts";
import { describeDestination } from "./init-provider.ts";
import { refuseUnheeded, refuseWithout } from "./options-together.ts";
import { backendOption, providerSettings, PROVIDER_USAGE } from "./provider-options.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { chunkOptions } from "./watch-options.ts";
import { withDatabase } from "./with-database.ts";

export const adopt: Command = {
  usage: invocation(
    "adopt",
    `${TOOLS.join("|")} [NAME] [--table TABLE] [--text COLUMN|EXPRESSION] [--vector COLUMN] [--outdated CONDITION] [--key COLUMN]... [--into TABLE [--chunk N [--overlap N] [--unit characters|tokens]]] [--name NAME] [--backend NAME] [--model MODEL] ${PROVIDER_USAGE} [--sample 20] [--threshold 0.98] [--dry-run] [--yes] [--json] | --rollback NAME [--force] [--json]`,
  ),
  summary:
    "take over vectors that another tool has made, without paying for them again; proves first that they are of the model",
  options: ADOPT_OPTIONS,
  examples: [
    [invocation("adopt", "pgai --dry-run"), "what would be taken over, what would be left; sends nothing"],
    [
      invocation("adopt", "column --table public.articles --text body --vector embedding"),
      "vectors that a script has made: embeds 20 texts, compares, asks, and takes over",
    ],
    [invocation("adopt", "--rollback articles"), "the other tool goes on as before"],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(adopt, args, {
      allowPositionals: true,
      options: ADOPT_OPTIONS,
    });
    const signal = abortedBySignal();
    const { json, rollback } = values;
    refuseUnheeded(adopt, values, "rollback", ["force", "json"]);
    refuseWithout(adopt, values, "force", "rollback");
    if (rollback !== undefined) {
      if (positionals.length > 0) throw new UsageError("Name one source.", `Usage: ${adopt.usage}`);
      return await withDatabase(async (db) => {
        const given = await rollBack(db, rollback, values.force, signal);
        console.log(json ? JSON.stringify(given) : describeGivenBack(given));
        return 0;
      }, signal);
    }
    const [tool, name, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError("Name one table at a time.", `Usage: ${adopt.usage}`);
    const kind = toolOf(tool);
    const size = wholeNumber("--sample", values.sample ?? String(DEFAULT_SAMPLE), 1, 1_000);
    const threshold = thresholdOf(values.threshold);
    const isDryRun = values["dry-run"];
    if (!isDryRun && !values.yes && !isInteractive()) {
      throw new UsageError(
        "There is no terminal to ask on, and texts would be sent.",
        "Look first, with --dry-run; then give --yes.",
      );
    }
    const options = {
      declared: {
        name: values.name,
        into: values.into,
        backend: backendOption(values.backend),
        model: values.model,
        settings: providerSettings(values),
        ...chunkOptions(values),
      },
      outdated: values.outdated,
    };
    return await withDatabase(async (db, config) => {
      const key = values.key?.flatMap((columns) => columns.split(","));
      const found = await findWork(db, kind, { ...values, name, key });
      const plan = await planAdoption(db, config, found, options, signal);
      const say = json ? console.error : console.log;
      const print = (proof: Proof | null, adopted: Adopted | null): void => {
        if (json) console.log(JSON.stringify(documentOf(plan, proof, adopted)));
      };
      say(describeAdoption(plan, await destinationOf(config, plan, size)));
      const proves = !isDryRun || values.sample !== undefined;
      if (
        !isDryRun &&
        !values.yes &&
        !(await confirm(
          "Send the sample, and take over if it agrees?",
          signal,
          json ? process.stderr : process.stdout,
        ))
      ) {
        say("Nothing was sent and nothing was changed.");
        print(null, null);
        return 1;
      }
      const proof = proves ? await prove(db, config, plan, { size, threshold, signal }) : null;
      if (proof !== null) {
        say(describeProof(proof));
        requireProof(proof, threshold, found.kept);
      }
      if (isDryRun || proof === null) {
        say(proof === null ? "Nothing was sent and nothing was changed." : "Nothing was changed.");
        print(proof, null);
        return 0;
      }
      const adopted = await takeOver(db, config, plan, proof, signal);
      say(describeAdopted(adopted, plan));
      print(proof, adopted);
      return 0;
    }, signal);
  },
};

/** Said before a text is sent. */
async function destinationOf(config: Config, { wanted }: AdoptPlan, size: number): Promise<string> {
  const provider = await describeProvider(config, wanted.overrides);
  const destination = describeDestination(provider, { table: sqlName(wanted.table), text: wanted.text });
  return `${destination}\nAs the proof, up to ${size} of its texts are sent there now.`;
}

function documentOf(
  { found, wanted, watch, rows, estimate }: AdoptPlan,
  proof: Proof | null,
  adopted: Adopted | null,
) {
  const { tool, name, model, kept, triggers, triggersGoOn = false, workers, notes } = found;
  return {
    tool,
    name,
    source: wanted.name,
    table: sqlName(wanted.table),
    key: wanted.key,
    text: wanted.text,
    vectors: { as: kept.as, column: watch.vector, into: watch.into ?? null },
    model,
    rows,
    estimate,
    off: {
      triggers: triggersGoOn ? [] : triggers.map((trigger) => trigger.name),
      vectorizer: workers.vectorizer ?? null,
      cron_jobs: workers.cronJobs ?? [],
      archived_queue: workers.messages?.queue ?? null,
    },
    notes,
    proof:
      proof === null
        ? null
        : { model: proof.model, sampled: proof.sampled, agree: proof.agree, lowest: proof.lowest },
    adopted,
  };
}
