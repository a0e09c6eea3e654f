import { HISTORY_MS, type Moment } from "../history.ts";
import { brief } from "./format.ts";
import { html, type Html } from "./html.ts";

const WIDTH = 480;
const HEIGHT = 96;
/** A longer time between two samples is drawn as a gap. */
const GAP_MS = 20_000;
/** Throughput is averaged over this time: heartbeats update the counters once a second. */
const WINDOW_MS = 15_000;

interface Point {
  readonly at: number;
  readonly value: number;
}

/** Two small charts of the last ten minutes: queued rows and throughput. */
export function charts(moments: readonly Moment[]): Html {
  const queued = moments.map(({ at, queued: value }) => ({ at, value }));
  return html`<div class="charts">
    ${chart("Queue", "rows waiting or in flight", queued, "queue")}
    ${chart("Throughput", "rows per minute, all listeners", throughput(moments), "pace")}
  </div>`;
}

function throughput(moments: readonly Moment[]): Point[] {
  return moments.flatMap((moment) => {
    const earlier = moments.find(({ at }) => at >= moment.at - WINDOW_MS);
    if (earlier === undefined || earlier.at === moment.at) return [];
    const rows = Math.max(0, moment.written - earlier.written);
    return [{ at: moment.at, value: (rows / (moment.at - earlier.at)) * 60_000 }];
  });
}

function chart(title: string, unit: string, points: readonly Point[], kind: "queue" | "pace"): Html {
  const highest = Math.max(0, ...points.map(({ value }) => value));
  const now = points.at(-1)?.value ?? 0;
  const summary = `${title}: ${brief(now)} ${unit} now, at most ${brief(highest)} in the last ten minutes.`;
  return html`<figure class="chart ${kind}">
    <figcaption>
      <strong>${title}</strong> <span class="quiet">${unit}</span> <b class="now">${brief(now)}</b>
    </figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${summary}">
      <path class="grid" d="M0 ${HEIGHT / 2}H${WIDTH}M0 1H${WIDTH}" />
      ${stretches(points).map((stretch) => drawn(stretch, Math.max(1, highest)))}
      <path class="base" d="M0 ${HEIGHT - 0.5}H${WIDTH}" />
    </svg>
    <div class="scale quiet" aria-hidden="true">
      <span>10 min ago</span><span>top ${brief(highest)}</span><span>now</span>
    </div>
  </figure>`;
}

/** Splits the points wherever there is a gap. */
function stretches(points: readonly Point[]): Point[][] {
  const runs: Point[][] = [];
  for (const point of points) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run === undefined || before === undefined || point.at - before.at > GAP_MS) runs.push([point]);
    else run.push(point);
  }
  return runs;
}

function drawn(points: readonly Point[], highest: number): Html {
  const end = Date.now();
  const placed = points.map(({ at, value }) => {
    const x = Math.max(0, (1 - (end - at) / HISTORY_MS) * WIDTH);
    const y = HEIGHT - 1 - (value / highest) * (HEIGHT - 6);
    return { x: x.toFixed(1), y: y.toFixed(1) };
  });
  const line = placed.map(({ x, y }) => `${x} ${y}`).join("L");
  const [first] = placed;
  const last = placed.at(-1);
  if (first === undefined || last === undefined) return html``;
  return html`<path class="area" d="M${first.x} ${HEIGHT}L${line}L${last.x} ${HEIGHT}Z" /><path
      class="line"
      d="M${line}"
    />`;
}
