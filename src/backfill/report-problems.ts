import type { Events } from "../events.ts";
import type { Source } from "../sources/source.ts";

/**
 * Reports why one of these sources, or every source, cannot be embedded for now, unless that is what it reported last.
 * @returns what ends it
 */
export function reportProblems(
  events: Events,
  sources: readonly Pick<Source, "name">[],
  report: ((problem: string) => void) | undefined,
): () => void {
  let last: string | undefined;
  const onFailing = ({
    source,
    problem,
  }: {
    readonly source: string | undefined;
    readonly problem: string;
  }) => {
    if (problem === last || (source !== undefined && !sources.some(({ name }) => name === source))) return;
    last = problem;
    report?.(source === undefined ? problem : `${source}: ${problem}`);
  };
  const onThrottled = ({ problem }: { readonly problem: string }) => {
    onFailing({ source: undefined, problem });
  };
  events.on("source_failing", onFailing);
  events.on("throttled", onThrottled);
  return () => {
    events.off("source_failing", onFailing);
    events.off("throttled", onThrottled);
  };
}
