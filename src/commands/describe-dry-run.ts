import type { DryRunReport } from "../backfill/dry-run.ts";
import { describeSent } from "../providers/roles/sent.ts";
import { formatDuration } from "../timing/format-duration.ts";

/** The report of a dry run for people: each figure, and what it is based on. */
export function describeDryRun(report: DryRunReport): string {
  const { basis, sample } = report;
  const vectors = report.dimensions === null ? "" : `, vectors of ${report.dimensions} dimensions`;
  return [
    `${report.source}: ${sample === null ? "nothing was sent and nothing was written." : "a sample was sent, and its vectors are kept."}`,
    `  model         ${report.model}${vectors}`,
    ...describeSentLine(report),
    ...describeSample(report),
    `  rows          ${report.rows} to embed${sample === null ? "" : ", those of the sample included"}`,
    ...describeToCut(report),
    `  equal texts   ${report.equalTexts} rows have the text of another row: equal texts are sent once`,
    `  known texts   ${describeCached(report)}`,
    ...(report.tooLongTexts === 0
      ? []
      : [`  too long      ${report.tooLongTexts} texts, whose rows will fail`]),
    `  texts         ${report.texts} to send`,
    `  tokens        about ${report.tokens} (${basis.tokens})`,
    `  requests      ${report.requests} (${basis.requests})`,
    `  time          ${describeTime(report)}${report.seconds === null ? "; --sample 50 measures it" : ""}`,
    `  cost          ${describeCost(report)}`,
    ...describeByBatch(report),
  ].join("\n");
}

/** What goes with each text, which is part of what is paid for. */
export function describeSentLine({ sent }: DryRunReport): string[] {
  const described = describeSent(sent);
  return described === undefined ? [] : [`  sends         ${described}`];
}

/** The money; unknown without a price. */
export function describeCost({ cost, basis }: DryRunReport): string {
  return cost === null ? `not known: ${basis.cost}` : `about ${cost.toFixed(4)} (${basis.cost})`;
}

/** The other price and the other time, where the provider has both. */
export function describeByBatch({ batch, texts }: DryRunReport): string[] {
  if (batch === null || texts === 0) return [];
  const { batches, priceFactor, cost, hours } = batch;
  const money =
    cost === null ? `${priceFactor} of the price` : `about ${cost.toFixed(4)} (${priceFactor} of the price)`;
  const count = batches === 1 ? "1 batch" : `${batches} batches`;
  return [`  with --batch  ${money}, ${count}, each within ${hours} hours`];
}

/** Texts in chunks: figures of 0 would say that they cost nothing. */
function describeToCut({ toCut }: DryRunReport): string[] {
  if (toCut === null || toCut.texts === 0) return [];
  const texts = toCut.texts === 1 ? "1 text" : `${toCut.texts} texts`;
  return [
    `  to cut        ${texts} of ${toCut.characters} characters: the chunks that are new then are not in these figures`,
  ];
}

function describeSample({ sample }: DryRunReport): string[] {
  if (sample === null) return [];
  const { kept, refused, refusal, tokens } = sample;
  return [
    `  sample        ${kept} texts came back as valid vectors, ${tokens} tokens`,
    ...(refusal === null ? [] : [`  refused       ${refused} texts of the sample: ${refusal}`]),
  ];
}

function describeCached({ cachedTexts }: DryRunReport): string {
  return cachedTexts === null
    ? "not known: the cache cannot be read before the length of the vectors is known (EMBEDDING_DIM)"
    : `${cachedTexts} have a vector already, of another row or in the cache: they are not sent again`;
}

export function describeTime({ seconds, basis }: DryRunReport): string {
  return seconds === null
    ? `not known: ${basis.seconds}`
    : `about ${formatDuration(seconds)} (${basis.seconds})`;
}
