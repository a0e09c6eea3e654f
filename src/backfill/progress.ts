import { SingleBar } from "cli-progress";
import { formatDuration } from "../timing/format-duration.ts";

export interface ProgressFigures {
  /** The user's rows: of a text in chunks, texts that are cut and have all their vectors. */
  readonly done: number;
  readonly total: number;
  /** Chunks that received their vectors in this process; 0 where no text is cut. */
  readonly chunks: number;
  readonly cached: number;
  readonly failed: number;
  readonly tokens: number;
}

export interface Progress {
  /**
   * Shows nothing while there is nothing to do.
   * @param isCounted false while `total` can still grow: it has a plus then, and nothing tells when it is done
   */
  show(figures: ProgressFigures, isCounted?: boolean): void;
  end(): void;
}

const LINE_EVERY_MS = 2_000;

/**
 * Always on stderr.
 * @param kind `bar` for a terminal, `lines` for a plain line every two seconds, `none` for JSON output; by default as stderr is
 */
export function showProgress(
  kind: "bar" | "lines" | "none" = process.stderr.isTTY ? "bar" : "lines",
): Progress {
  if (kind === "bar") return bar();
  if (kind === "lines") return lines();
  return { show: () => undefined, end: () => undefined };
}

function bar(): Progress {
  const rateOf = rateMeter();
  const drawn = new SingleBar({
    format:
      "{bar} {value}/{total}{more} rows  {rate} rows/s  ETA {left}{chunks}  {cached} cached  {failed} failed  {tokens} tokens",
    stream: process.stderr,
    hideCursor: true,
  });
  let isDrawn = false;
  return {
    show(figures, isCounted = true) {
      if (figures.total === 0) return;
      const described = describe(figures, rateOf(figures.done), isCounted);
      const chunks = described.chunks.map((words) => `  ${words}`).join("");
      if (!isDrawn) drawn.start(figures.total, 0, { ...described, chunks });
      isDrawn = true;
      drawn.setTotal(figures.total);
      drawn.update(figures.done, { ...described, chunks });
    },
    end: () => {
      if (isDrawn) drawn.stop();
    },
  };
}

function lines(): Progress {
  const rateOf = rateMeter();
  let shown = 0;
  let isWhole = false;
  return {
    show(figures, isCounted = true) {
      if (figures.total === 0) return;
      const now = performance.now();
      const wasWhole = isWhole;
      isWhole = figures.done >= figures.total;
      if (now - shown < LINE_EVERY_MS && (wasWhole || !isWhole)) return;
      shown = now;
      const { rate, left, more, chunks, cached, failed, tokens } = describe(
        figures,
        rateOf(figures.done),
        isCounted,
      );
      console.error(
        [
          `${figures.done}/${figures.total}${more} rows, ${rate} rows/s, ETA ${left}`,
          ...chunks,
          `${cached} cached, ${failed} failed, ${tokens} tokens`,
        ].join(", "),
      );
    },
    end: () => undefined,
  };
}

function describe(figures: ProgressFigures, rowsPerSecond: number, isCounted: boolean) {
  const { done, total, chunks, cached, failed, tokens } = figures;
  const seconds = isCounted ? (total - done) / rowsPerSecond : NaN;
  return {
    // Long texts take seconds each: a rate of 0 would say that nothing happens.
    rate: rowsPerSecond < 1 ? rowsPerSecond.toFixed(1) : Math.round(rowsPerSecond),
    left: Number.isFinite(seconds) ? formatDuration(seconds) : "-",
    more: isCounted ? "" : "+",
    chunks: chunks === 0 ? [] : [`${chunks} chunks`],
    cached,
    failed,
    tokens,
  };
}

/** Rows per second since the meter was made. */
function rateMeter(): (done: number) => number {
  const started = performance.now();
  return (done) => (1000 * done) / Math.max(1, performance.now() - started);
}
