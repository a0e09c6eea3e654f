import { invocation } from "../invocation.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { isAlive } from "../membership/alive.ts";
import type { ListenerStatus, Status } from "./collect-status.ts";
import { describeStaleSource } from "./describe-stale.ts";
import { sourceLabel } from "./source-label.ts";
import type { SourceStatus } from "./source-status.ts";

/** What needs an operator, one sentence each; empty if all is well. A paused source is not listed: a person paused it. */
export function needsAttention(
  { sources, listeners }: Status,
  {
    maxAgeSeconds,
    withoutListener = false,
  }: { readonly maxAgeSeconds: number; readonly withoutListener?: boolean },
): string[] {
  const alive = listeners.filter((listener) => isAlive(listener.silent_seconds));
  return [
    ...(alive.length === 0 && !withoutListener ? [`no listener is running: ${invocation("start")}`] : []),
    ...sources.flatMap((source) =>
      source.problem === null ? [] : [`${sourceLabel(source)}: ${source.problem}`],
    ),
    ...sources.flatMap((source) => neverEmbedded(source)),
    ...sources.flatMap((source) =>
      source.failed === 0 ? [] : [`${sourceLabel(source)}: ${source.failed} failed`],
    ),
    ...sources.flatMap((source) => {
      const { paused, oldest_pending_seconds: age } = source;
      if (paused || age === null || age <= maxAgeSeconds) return [];
      return [`${sourceLabel(source)}: a change has waited for ${formatDuration(age)}`];
    }),
    ...new Set(alive.flatMap(openCircuits)),
  ];
}

/** Rows that no listener will ever embed by itself. A row of an old setting is searched meanwhile, and needs nobody. */
function neverEmbedded(source: SourceStatus): string[] {
  const stale = describeStaleSource({ ...source, old_setting: 0 });
  return stale === null || source.paused ? [] : [`${sourceLabel(source)}: ${stale}`];
}

/** Checks the type of `state`: the listener that wrote it may have another version. */
function openCircuits({ state }: ListenerStatus): string[] {
  const providers = (state as { providers?: unknown }).providers;
  if (!Array.isArray(providers)) return [];
  return (providers as Record<string, unknown>[]).flatMap(({ model, state: now, reason }) =>
    now === "open" ? [`${String(model)} is not being asked: ${String(reason)}`] : [],
  );
}
