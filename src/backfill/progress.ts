import { SingleBar } from "cli-progress";
import { formatDuration } from "../timing/format-duration.ts";

export interface ProgressFigures {
  readonly done: number;
  readonly total: number;
  readonly cached: number;
  readonly failed: number;
  readonly tokens: number;
}

export interface Progress {
  /** Shows nothing while there is nothing to do. */
  show(figures: ProgressFigures): void;
  end(): void;
}

const LINE_EVERY_MS = 2_000;

/** `bar` for a terminal, `lines` for a plain line every two seconds, `none` for JSON output. Always on stderr. */
export function showProgress(kind: "bar" | "lines" | "none"): Progress {
  if (kind === "bar") return bar();
  if (kind === "lines") return lines();
  return { show: () => undefined, end: () => undefined };
}

function bar(): Progress {
  const rateOf = rateMeter();
  const drawn = new SingleBar({
    format:
      "{bar} {value}/{total} rows  {rate} rows/s  ETA {left}  {cached} cached  {failed} failed  {tokens} tokens",
    stream: process.stderr,
    hideCursor: true,
  });
  let isDrawn = false;
  return {
    show(figures) {
      if (figures.total === 0) return;
      if (!isDrawn) drawn.start(figures.total, 0, describe({ ...figures, done: 0 }, 0));
      isDrawn = true;
      drawn.setTotal(figures.total);
      drawn.update(figures.done, describe(figures, rateOf(figures.done)));
    },
    end: () => {
      if (isDrawn) drawn.stop();
    },
  };
}

function lines(): Progress {
  const rateOf = rateMeter();
  let shown = 0;
  return {
    show(figures) {
      if (figures.total === 0) return;
      const now = performance.now();
      if (now - shown < LINE_EVERY_MS && figures.done < figures.total) return;
      shown = now;
      const { rate, left } = describe(figures, rateOf(figures.done));
      console.error(
        `${figures.done}/${figures.total} rows, ${rate} rows/s, ETA ${left}, ${figures.cached} cached, ${figures.failed} failed, ${figures.tokens} tokens`,
      );
    },
    end: () => undefined,
  };
}

function describe(figures: ProgressFigures, rowsPerSecond: number) {
  const seconds = (figures.total - figures.done) / rowsPerSecond;
  return {
    rate: Math.round(rowsPerSecond),
    left: Number.isFinite(seconds) ? formatDuration(seconds) : "-",
    cached: figures.cached,
    failed: figures.failed,
    tokens: figures.tokens,
  };
}

/** Rows per second since the meter was made. */
function rateMeter(): (done: number) => number {
  const started = performance.now();
  return (done) => (1000 * done) / Math.max(1, performance.now() - started);
}
