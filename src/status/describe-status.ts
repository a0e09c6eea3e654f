import pc from "picocolors";
import { describeBatches } from "../batches/batch-progress.ts";
import { invocation } from "../invocation.ts";
import { describeSent } from "../providers/roles/sent.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { printable } from "../printable.ts";
import type { ListenerStatus, Status } from "./collect-status.ts";
import { describeSpent } from "./describe-spent.ts";
import { describeStaleSource } from "./describe-stale.ts";
import { sourceLabel } from "./source-label.ts";
import type { SourceStatus } from "./source-status.ts";

/** The status as text: one line per source, then what needs attention. */
export function describeStatus(status: Status): string {
  const header = ["source", "current", "pending", "in flight", "failed", "oldest", "tokens today"];
  const rows = status.sources.map((source) => [
    source.chunks_of === null ? printable(source.name) : "└ its chunks",
    `${source.current}/${source.rows}`,
    String(source.pending),
    String(source.in_flight),
    String(source.failed),
    source.oldest_pending_seconds === null ? "-" : formatDuration(source.oldest_pending_seconds),
    String(source.today.tokens),
  ]);
  return [
    ...table([header, ...rows]),
    "",
    `cache: ${status.cache.vectors} vectors, ${megabytes(status.cache.bytes)}`,
    ...optional(describeSpent(status.spent_today)),
    ...describeListeners(status.listeners),
    ...status.sources.flatMap(sent),
    ...status.sources.flatMap(attention),
  ].join("\n");
}

function optional(line: string | undefined): string[] {
  return line === undefined ? [] : [line];
}

/** A provider's state in words. */
const STATE_WORDS = { open: "not answering", throttled: "throttling us", closed: "well" } as const;

function describeListeners(listeners: readonly ListenerStatus[]): string[] {
  if (listeners.length === 0)
    return [pc.yellow(`listeners: none is running, so nothing is embedded: ${invocation("start")}`)];
  return listeners.flatMap(({ host, pid, silent_seconds, state }) => [
    `listener: process ${pid} on ${printable(host)}, ${state.asleep === true ? "asleep until a change" : `seen ${formatDuration(silent_seconds)} ago`}`,
    ...(state.budget === undefined ? [] : [pc.red(`  ${state.budget}`)]),
    ...(state.providers ?? [])
      .filter((provider) => provider.state !== "closed")
      .map(({ backend, model, state: now, reason }) =>
        pc.yellow(`  ${backend} (${model}) is ${STATE_WORDS[now]}: ${printable(reason ?? "")}`),
      ),
  ]);
}

function sent(source: SourceStatus): string[] {
  const described = source.sent === null ? undefined : describeSent(source.sent);
  return described === undefined ? [] : [`${source.chunks_of ?? source.name} sends ${described}`];
}

function attention(source: SourceStatus): string[] {
  const label = sourceLabel(source);
  const rows = source.chunks_of === null ? "rows" : "chunks";
  return [
    ...(source.paused ? [pc.yellow(`${label} is paused`)] : []),
    ...(source.problem === null ? [] : [pc.red(`${label}: ${printable(source.problem)}`)]),
    ...(source.backfilled === null
      ? []
      : [
          source.backfill_stopped
            ? pc.yellow(
                `${label}: a backfill has stopped at the money of --spend, ${source.backfilled} ${rows} are done: ${invocation("backfill", ["--source", source.chunks_of ?? source.name])}`,
              )
            : `${label}: a backfill is under way, ${source.backfilled} ${rows} are done`,
        ]),
    ...(source.batches === null ? [] : [`${label}: ${printable(describeBatches(source.batches))}`]),
    ...stale(source),
    ...tooLong(source),
    ...(source.today.truncated === 0
      ? []
      : [pc.yellow(`${label}: ${source.today.truncated} texts were cut to the model's limit today`)]),
    ...source.errors.map(({ reason, rows, key }) =>
      pc.red(`${label}: ${rows} failed, such as key ${printable(key)}: ${printable(reason)}`),
    ),
  ];
}

function tooLong(source: SourceStatus): string[] {
  const { key_too_long: rows } = source;
  if (rows === 0) return [];
  const subject = rows === 1 ? "1 row has" : `${rows} rows have`;
  return [
    `${sourceLabel(source)}: ${subject} a key of more than 2600 bytes, and no vector until it is shorter`,
  ];
}

function stale(source: SourceStatus): string[] {
  const counts = describeStaleSource(source);
  return counts === null ? [] : [pc.yellow(`${sourceLabel(source)}: ${counts}`)];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, i) => Math.max(widest[i] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}
