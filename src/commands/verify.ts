import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { verifyChunks, type ChunksReport } from "../verify/verify-chunks.ts";
import { choose } from "../sources/choose-sources.ts";
import { verifySource, type VerifyReport } from "../verify/verify-source.ts";
import { describeVerify } from "./describe-verify.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { forEachSource } from "./for-each-source.ts";
import { printParts } from "./print-parts.ts";
import { reportLeftOut } from "./report-left-out.ts";
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
      const isAlone = sources.length + chunked.length === 1;
      const verified = await forEachSource(sources, { signal, isAlone }, (source) =>
        withProgressLine(source.name, (onCompared) =>
          verifySource(db, config, source, { ...options, signal, onCompared }),
        ),
      );
      reports.push(...verified.results);
      if (values.json) console.log(JSON.stringify(reports));
      else printParts(reports.map(describeVerify));
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
