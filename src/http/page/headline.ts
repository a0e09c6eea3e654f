import type { ProviderDescription } from "../../providers/registry.ts";
import { describeOutdated, updateOutdated } from "../../status/describe-outdated.ts";
import { formatDuration } from "../../timing/format-duration.ts";
import { count } from "./format.ts";
import type { PageData, PageSource } from "./page-data.ts";

/** The overall state in one sentence: `good` and `busy` need no action soon, `bad` needs a person. */
export interface Headline {
  readonly tone: "good" | "busy" | "bad";
  readonly sentence: string;
  readonly details: readonly string[];
}

export function headline(
  { sources }: PageData,
  providers: readonly ProviderDescription[],
  rowsPerMinute: number | null,
): Headline {
  const working = sources.filter((source) => !source.paused);
  const waiting = sum(working, (source) => source.pending + source.in_flight);
  const details = [...problems(sources, providers)];
  const stuck =
    sources.some((source) => source.problem !== null) || providers.some(({ state }) => state === "open");
  const failed = sum(sources, (source) => source.failed);
  if (stuck) {
    return { tone: "bad", sentence: `Embedding has stopped, and ${rows(waiting)} waiting.`, details };
  }
  if (waiting > 0) {
    return {
      tone: failed > 0 ? "bad" : "busy",
      sentence: `${rows(waiting)} waiting${timeLeft(waiting, rowsPerMinute)}.`,
      details,
    };
  }
  const outdated = sum(sources, ({ progress }) => (progress?.old_text ?? 0) + (progress?.old_setting ?? 0));
  if (failed + outdated > 0) {
    const exceptions = [...rowsThatAre("failed", failed), ...rowsThatAre("outdated", outdated)];
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

function* problems(
  sources: readonly PageSource[],
  providers: readonly ProviderDescription[],
): Generator<string> {
  for (const { name, problem } of sources) if (problem !== null) yield `${name}: ${problem}`;
  for (const { backend, model, state, reason } of providers) {
    if (state === "open") yield `${model} (${backend}) is not being asked: ${reason ?? "it does not answer"}`;
    if (state === "throttled") yield `${model} (${backend}) asked us to slow down.`;
  }
  for (const { name, paused, pending } of sources) {
    if (paused) yield `${name} is paused${pending > 0 ? `, and ${rows(pending)} waiting` : ""}.`;
  }
  for (const { name, failed } of sources)
    if (failed > 0) yield `${name}: ${count(failed)} failed, see below.`;
  for (const { name, progress } of sources) {
    const outdated = progress === undefined ? null : describeOutdated(progress);
    if (outdated !== null) yield `${name}: ${outdated}: ${updateOutdated(name)}`;
  }
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
