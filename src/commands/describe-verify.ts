import { invocation } from "../invocation.ts";
import { printable } from "../printable.ts";
import type { ChunksReport } from "../verify/verify-chunks.ts";
import type { VerifyReport } from "../verify/verify-source.ts";

/** What `verify` found out of one source, in lines. */
export function describeVerify(report: VerifyReport | ChunksReport): string {
  return "model" in report ? describeVectors(report) : describeChunks(report);
}

function describeChunks({ source, sampled, different, different_rows, ok }: ChunksReport): string {
  if (sampled === 0)
    return `${source}: NOTHING TO COMPARE. There is no row, apart from those that are queued.`;
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
  if (sampled === 0) {
    return refused > 0
      ? `${source}: NOT COMPARED. The provider refuses the texts of all ${refused} rows of the sample.`
      : `${source}: NOTHING TO COMPARE. No row has a vector, apart from those that are queued.`;
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
