import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { verifyChunks, type ChunksReport } from "../verify/verify-chunks.ts";
import { choose } from "../sources/choose-sources.ts";
import { verifySource, type VerifyReport } from "../verify/verify-source.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { forEachSource } from "./for-each-source.ts";
import { reportLeftOut } from "./report-left-out.ts";
import { printable } from "../printable.ts";
import { withProgressLine } from "./progress-line.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  sample: { type: "string", value: "N", default: "500", about: "how many rows are embedded again" },
  source: { type: "string", value: "NAME", about: "works on this source alone; default: all sources" },
  "min-cosine": {
    type: "string",
    value: "SHARE",
    default: "0.99",
    about: "the least cosine similarity of a row that passes",
  },
  "min-overlap": {
    type: "string",
    value: "SHARE",
    default: "0.9",
    about: "the least mean top-10 overlap that passes",
  },
  json: JSON_OPTION,
} as const satisfies Options;

export const verify: Command = {
  usage: invocation(
    "verify",
    "[--sample 500] [--source NAME] [--min-cosine 0.99] [--min-overlap 0.9] [--json]",
  ),
  summary:
    "embed a random sample again and compare: cosine and top-10 overlap; exits 1 when the stored vectors differ",
  options: OPTIONS,
  examples: [
    [
      invocation("verify", "--sample 100 --source tickets"),
      "a hundred rows of one source; costs their tokens",
    ],
    [invocation("verify", "--min-cosine 0.95"), "for a model that varies more"],
  ],
  async run(args) {
    const { values } = parseCommand(verify, args, {
      options: OPTIONS,
    });
    const options = {
      sample: wholeNumber("--sample", values.sample),
      minCosine: share("--min-cosine", values["min-cosine"]),
      minOverlap: share("--min-overlap", values["min-overlap"]),
    };
    const signal = abortedBySignal();
    return await withDatabase(async (db, config) => {
      const reports: (VerifyReport | ChunksReport)[] = [];
      const { sources, chunked, broken } = await choose(db, values.source);
      const exitCode = reportLeftOut(broken);
      for (const chunkedSource of chunked) {
        reports.push(
          await withProgressLine(chunkedSource.name, (onCompared) =>
            verifyChunks(db, chunkedSource, { ...options, signal, onCompared }),
          ),
        );
      }
      const verified = await forEachSource(sources, signal, (source) =>
        withProgressLine(source.name, (onCompared) =>
          verifySource(db, config, source, { ...options, signal, onCompared }),
        ),
      );
      reports.push(...verified.results);
      console.log(values.json ? JSON.stringify(reports) : reports.map(describe).join("\n\n"));
      return reports.every(({ ok }) => ok) ? exitCode || verified.exitCode : 1;
    }, signal);
  },
};

function share(option: string, value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !(number >= 0 && number <= 1)) {
    throw new UsageError(
      `${option} takes a number from 0 to 1, got ${JSON.stringify(value)}.`,
      `Such as: ${option} 0.95`,
    );
  }
  return number;
}

function describe(report: VerifyReport | ChunksReport): string {
  return "model" in report ? describeVectors(report) : describeChunks(report);
}

function describeChunks({ source, sampled, different, different_rows, ok }: ChunksReport): string {
  return [
    `${source}: ${ok ? "unchanged" : "CUT DIFFERENTLY"}. ${sampled} texts cut again; nothing was written.`,
    ...(ok
      ? []
      : [
          `  ${different_rows} rows have different chunks, such as: ${different.join(", ")}`,
          `  Cut them again: ${invocation("backfill", ["--source", source, "--all"])}`,
        ]),
  ].join("\n");
}

function describeVectors({
  source,
  model,
  sampled,
  refused,
  cosine,
  overlap,
  drifted,
  drifted_rows,
  ok,
}: VerifyReport): string {
  if (sampled === 0 && refused > 0) {
    return `${source}: NOT COMPARED. The provider refuses the texts of all ${refused} rows of the sample.`;
  }
  return [
    `${source}: ${ok ? "unchanged" : "DRIFTED"}. ${sampled} rows embedded again by ${model}; nothing was written.`,
    ...(refused === 0 ? [] : [`  left out        ${refused} rows, whose texts the provider refuses`]),
    `  cosine          lowest ${cosine.lowest.toFixed(5)}, median ${cosine.median.toFixed(5)}`,
    `  top-10 overlap  mean ${(100 * overlap.mean).toFixed(1)} %, lowest ${(100 * overlap.lowest).toFixed(0)} %, over ${overlap.searches} searches`,
    ...(drifted_rows === 0 ? [] : [`  ${drifted_rows} rows differ, such as:`]),
    ...drifted.map(({ key, cosine: lower }) => `    key ${printable(key)}  cosine ${lower.toFixed(5)}`),
    ...(ok ? [] : [`  Embed them again: ${invocation("backfill", ["--source", source, "--fresh"])}`]),
  ].join("\n");
}
