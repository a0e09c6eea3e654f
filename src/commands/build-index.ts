import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { buildIndex as build } from "../search/build-index.ts";
import type { BuildOptions } from "../search/index-builder.ts";
import { MEMORY } from "../search/build-memory.ts";
import { FULL, parseIndexKind, type IndexKind } from "../search/index-kind.ts";
import { measurableKinds } from "../search/index-shape.ts";
import { measureIndexes } from "../search/measure-indexes.ts";
import { chooseSources } from "../sources/choose-sources.ts";
import type { Source } from "../sources/source.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { describeMeasured } from "./describe-measured.ts";
import { refuseTogether, refuseWithout } from "./options-together.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

const [LEAST_SAMPLE, MOST_SAMPLE] = [1_000, 100_000];

const OPTIONS = {
  kind: {
    type: "string",
    multiple: true,
    value: "KIND",
    about:
      "full (default), half, binary, or prefix:N for the first N numbers of a Matryoshka model's vectors",
  },
  measure: {
    type: "boolean",
    default: false,
    about: "builds none: tells recall@10, time and size of each kind on a sample, in a temporary table",
  },
  sample: { type: "string", value: "ROWS", about: "vectors of that sample, at most (10000)" },
  now: {
    type: "boolean",
    default: false,
    about: "does not wait for the backfill; the build then costs several times as much",
  },
  memory: { type: "string", value: "MEMORY", about: "maintenance_work_mem of the build, such as 2GB" },
} as const satisfies Options;

export const buildIndex: Command = {
  usage: invocation("index", "SOURCE [--kind KIND] [--measure [--sample ROWS]] [--now] [--memory 2GB]"),
  summary: "build the HNSW index that searches use, after the backfill, without blocking readers and writers",
  options: OPTIONS,
  examples: [
    [invocation("index", "tickets"), "after the backfill of tickets"],
    [invocation("index", "tickets --memory 2GB"), "faster, if the graph fits into 2 GB"],
    [invocation("index", "tickets --measure"), "compares the kinds before one is built"],
    [invocation("index", "tickets --kind binary"), "one bit per number: a small index"],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(buildIndex, args, {
      allowPositionals: true,
      options: OPTIONS,
    });
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0)
      throw new UsageError("Name one source.", `Usage: ${buildIndex.usage}`);
    const { memory, measure, now } = values;
    refuseTogether(buildIndex, values, ["measure", "now"]);
    refuseWithout(buildIndex, values, "sample", "measure");
    if (memory !== undefined && !MEMORY.test(memory)) {
      throw new UsageError(
        `--memory takes an amount such as 2GB, got ${JSON.stringify(memory)}.`,
        `Usage: ${buildIndex.usage}`,
      );
    }
    const kinds = (values.kind ?? []).map(parseIndexKind);
    const sample = sampleOf(values.sample);
    if (!measure && kinds.length > 1)
      throw new UsageError(
        "One kind is built at a time.",
        "Name one --kind, or compare them with --measure.",
      );
    const signal = abortedBySignal();
    return await withDatabase(async (db, config) => {
      const [source] = await chooseSources(db, name);
      if (source === undefined) return 1;
      const options = { database: config, memory, signal, onProgress };
      if (measure) await report(db, source, { ...options, sample, kinds });
      else await make(db, source, { ...options, now, kind: kinds[0] ?? FULL });
      return 0;
    }, signal);
  },
};

async function make(
  db: Database,
  source: Source,
  options: BuildOptions & { readonly now: boolean; readonly kind: IndexKind },
): Promise<void> {
  const { name, built, seconds, searched } = await build(db, source, options);
  const used =
    searched === name
      ? "Searches use it from now on."
      : `Searches use ${searched}, which is nearer to the exact order. They use this one when that is dropped.`;
  console.log(
    built
      ? `${name} was built in ${formatDuration(seconds)}. ${used}`
      : `${name} already exists and is valid.`,
  );
}

async function report(
  db: Database,
  source: Source,
  options: BuildOptions & { readonly sample: number; readonly kinds: readonly IndexKind[] },
): Promise<void> {
  const kinds = options.kinds.length > 0 ? options.kinds : measurableKinds(source);
  console.log(describeMeasured(source.name, await measureIndexes(db, source, { ...options, kinds })));
}

function onProgress(line: string): void {
  console.error(line);
}

function sampleOf(written: string | undefined): number {
  const sample = Number(written ?? 10_000);
  if (Number.isInteger(sample) && sample >= LEAST_SAMPLE && sample <= MOST_SAMPLE) return sample;
  throw new UsageError(
    `--sample takes a whole number from ${LEAST_SAMPLE} to ${MOST_SAMPLE}, got ${JSON.stringify(written)}.`,
    `Usage: ${buildIndex.usage}`,
  );
}
