import { refuseWithoutBatches } from "../batches/batch-offers.ts";
import { dryRun, type DryRunReport } from "../backfill/dry-run.ts";
import { showProgress } from "../backfill/progress.ts";
import { invocation } from "../invocation.ts";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { refuseObstacles } from "../model-change/obstacles.ts";
import { plannedSource, type NewModel } from "../model-change/prepare.ts";
import { askedModel, describeModel } from "../model-change/asked-model.ts";
import { changeModel, type ModelChangeReport } from "../model-change/change-model.ts";
import { readModelChange } from "../model-change/model-change-state.ts";
import { refuseSwitched } from "../model-change/open-or-resume.ts";
import { loadSources } from "../sources/load-sources.ts";
import { unknownSource } from "../sources/unknown-source.ts";
import { BACKEND_IDS } from "../providers/known-backends.ts";
import { describeByBatch, describeCost, describeSentLine, describeTime } from "./describe-dry-run.ts";
import { parseCommand, wholeNumber, type Command } from "./command.ts";
import { refuseTogether, refuseUnheeded } from "./options-together.ts";
import { backendOption, providerSettings, PROVIDER_USAGE } from "./provider-options.ts";
import { refuseBesideOtherVersions } from "./refuse-other-versions.ts";
import { REMODEL_OPTIONS } from "./remodel-options.ts";
import { REMODEL_STEPS } from "./remodel-steps.ts";
import { withDatabase } from "./with-database.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";

const STEPS = ["pause", "rollback", "finish", "cancel"] as const satisfies (keyof typeof REMODEL_STEPS)[];

export const remodel: Command = {
  usage: invocation(
    "remodel",
    `NAME [--model MODEL] [--dim N] [--backend ${BACKEND_IDS.join("|")}] ${PROVIDER_USAGE} [--force] [--batch] [--dry-run | --pause | --rollback | --finish | --cancel] [--json]`,
  ),
  summary:
    "change the model of a source while users write and search; after an interruption, the same command continues",
  options: REMODEL_OPTIONS,
  examples: [
    [
      invocation("remodel", "tickets --model text-embedding-3-large --dry-run"),
      "what the new model would take",
    ],
    [
      invocation("remodel", "tickets --model text-embedding-3-large"),
      "embeds, compares and switches; run it again after an interruption",
    ],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(remodel, args, {
      allowPositionals: true,
      options: REMODEL_OPTIONS,
    });
    const [given, ...rest] = positionals;
    if (given === undefined || rest.length > 0) {
      throw new UsageError("Name one source.", `Usage: ${remodel.usage}`);
    }
    refuseTogether(remodel, values, ["dry-run", ...STEPS]);
    for (const option of STEPS)
      refuseUnheeded(remodel, values, option, option === "rollback" ? ["force", "json"] : ["json"]);
    const step = STEPS.find((option) => values[option]);
    return await withDatabase(async (db, config) => {
      const name = await embeddingSource(db, given);
      if (step !== undefined) {
        const message = await REMODEL_STEPS[step](db, name, values.force);
        console.log(values.json ? JSON.stringify({ source: name, step, message }) : message);
        return 0;
      }
      const asked = {
        backend: backendOption(values.backend) ?? null,
        model: values.model ?? null,
        dimensions: values.dim === undefined ? undefined : wholeNumber("--dim", values.dim),
        settings: providerSettings(values),
      };
      const isNewModel =
        asked.backend !== null ||
        asked.model !== null ||
        asked.dimensions !== undefined ||
        Object.keys(asked.settings).length > 0;
      const now = await readModelChange(db, name);
      refuseSwitched(now);
      const signal = abortedBySignal();
      const model = isNewModel ? await unlessAborted(signal, askedModel(config, now.live, asked)) : null;
      if (values["dry-run"]) {
        if (model === null)
          throw new UsageError("Name the new model with --model.", `Usage: ${remodel.usage}`);
        const { live } = now;
        const planned = plannedSource(live, model);
        await refuseObstacles(db, now, planned);
        const report = await dryRun(
          db,
          config,
          { ...planned, hasNoVectors: true },
          {
            sample: null,
            all: true,
            signal,
          },
        );
        const disk = bytes(report.rows, model.dimensions);
        console.log(
          values.json
            ? JSON.stringify({ ...report, bytes: disk })
            : describePlan(report, `${describeModel(config, model)}, ${model.dimensions} dimensions`, disk),
        );
        return 0;
      }
      if (values.batch) {
        const building = now.state === "building" ? [now.next] : [];
        await refuseWithoutBatches(config, model === null ? building : [plannedSource(now.live, model)]);
        await refuseBesideOtherVersions(db);
      }
      return await change(config, name, { ...values, model, signal });
    });
  },
};

/** The source of that name; for texts in chunks, the source that embeds the chunks. @throws {UsageError} if there is none. */
async function embeddingSource(db: Database, name: string): Promise<string> {
  const { usable, chunked, broken } = await loadSources(db);
  if (![...usable, ...chunked, ...broken].some((source) => source.name === name))
    throw await unknownSource(db, name);
  const id = chunked.find((chunkedSource) => chunkedSource.name === name)?.embeddedBy;
  return usable.find((source) => source.id === id)?.name ?? name;
}

async function change(
  config: Parameters<typeof changeModel>[0],
  name: string,
  {
    model,
    force,
    batch,
    json,
    signal,
  }: { model: NewModel | null; force: boolean; batch: boolean; json: boolean; signal: AbortSignal },
): Promise<number> {
  const report = await changeModel(config, name, {
    model,
    force,
    batch,
    signal,
    progress: showProgress(json ? "none" : undefined),
    onStep: (text) => {
      console.error(text);
    },
  });
  console.log(json ? JSON.stringify(report) : describe(report));
  return 0;
}

/** The vectors (a header, and 4 or 2 bytes per dimension), and as much again for an HNSW index. */
function bytes(rows: number, dimensions: number): number {
  const vector = 8 + dimensions * (dimensions > 2_000 ? 2 : 4);
  return 2 * rows * vector;
}

function describePlan(report: DryRunReport, by: string, disk: number): string {
  return [
    `${by}: no text was sent and nothing was written.`,
    ...describeSentLine(report),
    `  rows          ${report.rows}`,
    `  texts         ${report.texts} to send, without duplicates and cached texts`,
    `  tokens        about ${report.tokens} (${report.basis.tokens})`,
    `  cost          ${describeCost(report)}`,
    `  time          ${describeTime(report)}`,
    ...describeByBatch(report),
    `  disk          about ${(disk / 1_048_576).toFixed(0)} MB more until --finish, including an HNSW index`,
  ].join("\n");
}

function describe({ source, model, dimensions, failed, index, comparison }: ModelChangeReport): string {
  const recall = comparison.recall === null ? "-" : comparison.recall.toFixed(2);
  return [
    `${source} is now embedded by ${model} (${dimensions} dimensions)${failed > 0 ? `, except ${failed} failed rows` : ""}.`,
    `  index         ${index ?? "none, as before"}`,
    `  recall@10     ${recall} of the new model against the old, over ${comparison.rows} rows: not a grade, see docs/sources.md`,
    `The old vectors are kept fresh: --rollback switches back to them, --finish drops them.`,
  ].join("\n");
}
