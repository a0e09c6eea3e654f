import { describeBatches } from "../../batches/batch-progress.ts";
import type { ProviderDescription } from "../../providers/registry.ts";
import { describeStaleSource } from "../../status/describe-stale.ts";
import { sourceLabel } from "../../status/source-label.ts";
import { formatDuration } from "../../timing/format-duration.ts";
import { count } from "./format.ts";
import { nextTry } from "./machinery.ts";
import type { PageData, PageSource } from "./page-data.ts";

/** The overall state in one sentence: `good` and `busy` need no action soon, `bad` needs a person. */
export interface Headline {
  readonly tone: "good" | "busy" | "bad";
  readonly sentence: string;
  readonly details: readonly string[];
}

export function headline(
  { sources, at }: PageData,
  providers: readonly ProviderDescription[],
  rowsPerMinute: number | null,
): Headline {
  const working = sources.filter((source) => !source.paused);
  const waiting = sum(working, (source) => source.pending + source.in_flight);
  const details = [...problems(sources, providers, at)];
  const failed = sum(sources, (source) => source.failed);
  const stop = stopped(sources, providers);
  if (stop !== undefined) {
    return { tone: "bad", sentence: `${stop}, and ${rows(waiting)} waiting${failures(failed)}.`, details };
  }
  if (waiting > 0) {
    return {
      tone: failed > 0 ? "bad" : "busy",
      sentence: `${rows(waiting)} waiting${timeLeft(waiting, rowsPerMinute)}${failures(failed)}.`,
      details,
    };
  }
  const backfilling = sum(
    sources.filter((source) => source.backfilled !== null),
    staleRows,
  );
  if (backfilling > 0) {
    const sentence = `A backfill is under way, and ${rows(backfilling)} left${timeLeft(backfilling, rowsPerMinute)}${failures(failed)}.`;
    return { tone: failed > 0 ? "bad" : "busy", sentence, details };
  }
  const stale = sum(sources, staleRows);
  if (failed + stale > 0) {
    const exceptions = [...rowsThatAre("failed", failed), ...rowsThatAre("stale", stale)];
    return {
      tone: failed > 0 ? "bad" : "busy",
      sentence: `Everything is current except ${exceptions.join(" and ")}.`,
      details,
    };
  }
  if (sources.length === 0) return { tone: "busy", sentence: "No table is watched yet.", details };
  const paused = sum(sources, (source) => (source.paused ? source.pending : 0));
  if (paused > 0) return { tone: "busy", sentence: "Everything is current except paused sources.", details };
  return { tone: details.length > 0 ? "busy" : "good", sentence: "Everything is current.", details };
}

/** Undefined while everything goes on. Other sources go on where one is broken, or one provider does not answer. */
function stopped(
  sources: readonly PageSource[],
  providers: readonly ProviderDescription[],
): string | undefined {
  const broken = sources.filter(({ problem }) => problem !== null).length;
  const silent = providers.filter(({ state }) => state === "open").length;
  if (broken + silent === 0) return undefined;
  const isAll = broken === sources.length || silent === providers.length;
  return isAll ? "Embedding has stopped" : "A part of the embedding has stopped";
}

/** So that the words say why the dot is red. */
function failures(failed: number): string {
  return failed === 0 ? "" : `; ${failed === 1 ? "1 row" : `${count(failed)} rows`} failed`;
}

function* problems(
  sources: readonly PageSource[],
  providers: readonly ProviderDescription[],
  now: Date,
): Generator<string> {
  for (const source of sources)
    if (source.problem !== null) yield `${sourceLabel(source)}: ${source.problem}`;
  for (const provider of providers) {
    const { backend, model, state, reason } = provider;
    const next = nextTry(provider, now) ?? "";
    if (state === "open") yield `${model} (${backend}), ${next}: ${reason ?? "it does not answer"}`;
    if (state === "throttled") yield `${model} (${backend}) asked us to slow down: ${next}.`;
  }
  for (const source of sources)
    if (source.batches !== null) yield `${sourceLabel(source)}: ${describeBatches(source.batches)}`;
  for (const source of sources) {
    const { paused, pending } = source;
    if (paused)
      yield `${sourceLabel(source)} is paused${pending > 0 ? `, and ${rows(pending)} waiting` : ""}.`;
  }
  for (const source of sources)
    if (source.failed > 0) yield `${sourceLabel(source)}: ${count(source.failed)} failed, see below.`;
  for (const source of sources) {
    const stale =
      source.progress === undefined ? null : describeStaleSource({ ...source.progress, ...source });
    if (stale !== null) yield `${sourceLabel(source)}: ${stale}`;
  }
}

/** Rows that a backfill embeds. */
function staleRows({ progress }: PageSource): number {
  return progress === undefined ? 0 : progress.not_queued + progress.old_text + progress.old_setting;
}

function timeLeft(waiting: number, rowsPerMinute: number | null): string {
  if (rowsPerMinute === null || rowsPerMinute < 1) return "";
  return `, about ${formatDuration((60 * waiting) / rowsPerMinute)} to go`;
}

function rowsThatAre(state: string, amount: number): string[] {
  return amount === 0 ? [] : [`${count(amount)} ${state} ${amount === 1 ? "row" : "rows"}`];
}

function rows(amount: number): string {
  return amount === 1 ? "1 row is" : `${count(amount)} rows are`;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
