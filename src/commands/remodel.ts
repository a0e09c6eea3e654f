import { dryRun, type DryRunReport } from "../backfill/dry-run.ts";
import { showProgress } from "../backfill/progress.ts";
import { invocation } from "../invocation.ts";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { refuseObstacles } from "../model-change/obstacles.ts";
import { plannedSource, type NewModel } from "../model-change/prepare.ts";
import { askedModel, describeModel } from "../model-change/asked-model.ts";
import { changeModel, type ModelChangeReport } from "../model-change/change-model.ts";
import { readModelChange, secondSource } from "../model-change/model-change-state.ts";
import { dropModel } from "../model-change/drop-model.ts";
import { rollBack } from "../model-change/switch.ts";
import { refuseSwitched } from "../model-change/open-or-resume.ts";
import { loadSources } from "../sources/load-sources.ts";
import { setPaused } from "../sources/set-paused.ts";
import { unknownSource } from "../sources/unknown-source.ts";
import { BACKEND_IDS } from "../providers/known-backends.ts";
import { describeCost, describeTime } from "./describe-dry-run.ts";
import { oneOf, parseCommand, wholeNumber, type Command } from "./command.ts";
import { withDatabase } from "./with-database.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";

export const remodel: Command = {
  usage: invocation(
    "remodel",
    `NAME [--model MODEL] [--dim N] [--backend ${BACKEND_IDS.join("|")}] [--base-url URL] [--api-key-env NAME_API_KEY] [--force] [--dry-run | --pause | --rollback | --finish | --cancel] [--json]`,
  ),
  summary:
    "change the model of a source while users write and search; after an interruption, the same command continues",
  async run(args) {
    const { values, positionals } = parseCommand(remodel, args, {
      allowPositionals: true,
      options: {
        model: { type: "string" },
        dim: { type: "string" },
        backend: { type: "string" },
        "base-url": { type: "string" },
        "api-key-env": { type: "string" },
        force: { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
        pause: { type: "boolean", default: false },
        rollback: { type: "boolean", default: false },
        finish: { type: "boolean", default: false },
        cancel: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    });
    const [given, ...rest] = positionals;
    if (given === undefined || rest.length > 0) {
      throw new UsageError("Name one source.", `Usage: ${remodel.usage}`);
    }
    const step = (["pause", "rollback", "finish", "cancel"] as const).find((option) => values[option]);
    return await withDatabase(async (db, config) => {
      const name = await embeddingSource(db, given);
      if (step !== undefined) {
        console.log(await STEPS[step](db, name, values.force));
        return 0;
      }
      const asked = {
        backend: oneOf("--backend", values.backend, BACKEND_IDS) ?? null,
        model: values.model ?? null,
        dimensions: values.dim === undefined ? undefined : wholeNumber("--dim", values.dim),
        settings: {
          ...(values["base-url"] === undefined ? {} : { base_url: values["base-url"] }),
          ...(values["api-key-env"] === undefined ? {} : { api_key_env: values["api-key-env"] }),
        },
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
        const report = await dryRun(db, config, planned, {
          sample: null,
          all: true,
          signal,
        });
        const disk = bytes(report.rows, model.dimensions);
        console.log(
          values.json
            ? JSON.stringify({ ...report, bytes: disk })
            : describePlan(report, `${describeModel(config, model)}, ${model.dimensions} dimensions`, disk),
        );
        return 0;
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
    json,
    signal,
  }: { model: NewModel | null; force: boolean; json: boolean; signal: AbortSignal },
): Promise<number> {
  const report = await changeModel(config, name, {
    model,
    force,
    signal,
    progress: showProgress(json ? "none" : process.stderr.isTTY ? "bar" : "lines"),
    onStep: (text) => {
      console.error(text);
    },
  });
  console.log(json ? JSON.stringify(report) : describe(report));
  return 0;
}

const STEPS = {
  async pause(db: Database, name: string): Promise<string> {
    await setPaused(db, await second(db, name, "building"), true);
    return `Paused. To continue: ${invocation("remodel", name)}`;
  },
  async rollback(db: Database, name: string, force: boolean): Promise<string> {
    const now = await readModelChange(db, name);
    if (now.state !== "switched") throw notInState(name, "switched");
    await rollBack(db, now.live, now.previous, force);
    return `${name} uses its old model again. The new vectors are kept fresh: ${invocation("remodel", name)} switches again, --cancel drops them.`;
  },
  async finish(db: Database, name: string): Promise<string> {
    await dropModel(db, { name: await second(db, name, "switched") });
    return `The old vectors of ${name} are dropped.`;
  },
  async cancel(db: Database, name: string): Promise<string> {
    await dropModel(db, { name: await second(db, name, "building") });
    return `${name} keeps its model. The new column is dropped.`;
  },
} as const;

/** The name of the second source, even if its table is broken. @throws {UsageError} if the model change is not in that state. */
async function second(db: Database, name: string, state: "building" | "switched"): Promise<string> {
  const found = await secondSource(db, name);
  if (found?.state === state) return found.name;
  throw notInState(name, state === "building" ? "being changed" : "switched");
}

function notInState(name: string, state: string): UsageError {
  return new UsageError(
    `${name} is not ${state}.`,
    `${invocation("sources")} shows where each source stands.`,
  );
}

/** The vectors (a header, and 4 or 2 bytes per dimension), and as much again for an HNSW index. */
function bytes(rows: number, dimensions: number): number {
  const vector = 8 + dimensions * (dimensions > 2_000 ? 2 : 4);
  return 2 * rows * vector;
}

function describePlan(report: DryRunReport, by: string, disk: number): string {
  return [
    `${by}: no text was sent and nothing was written.`,
    `  rows          ${report.rows}`,
    `  texts         ${report.texts} to send, without duplicates and cached texts`,
    `  tokens        about ${report.tokens} (${report.basis.tokens})`,
    `  cost          ${describeCost(report)}`,
    `  time          ${describeTime(report)}`,
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
