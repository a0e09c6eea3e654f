import type { UsageOfDay } from "../../status/usage-by-day.ts";
import { age, brief, count, span } from "./format.ts";
import { html, type Html } from "./html.ts";

const WIDTH = 480;
const HEIGHT = 96;
/** Between two days' bars. */
const GAP = 12;

/** A week as bars and as a table: rows, tokens, cost and freshness of each day. It is read from the database, and so outlives restarts. */
export function weekSection(days: readonly UsageOfDay[]): Html {
  const highest = Math.max(1, ...days.map(written));
  const total = days.reduce((sum, day) => sum + written(day), 0);
  const width = WIDTH / Math.max(1, days.length);
  return html`<section aria-labelledby="week">
    <h2 id="week">The last ${days.length} days</h2>
    <div class="week">
      <figure class="chart">
        <figcaption>
          <span><i class="key made" aria-hidden="true"></i> embedded</span>
          <span><i class="key" aria-hidden="true"></i> from another row or the cache</span>
        </figcaption>
        <svg
          viewBox="0 0 ${WIDTH} ${HEIGHT}"
          preserveAspectRatio="none"
          role="img"
          aria-label="Rows per day: ${count(total)} in ${days.length} days, at most ${count(highest)} on one."
        >
          ${days.map((day, i) => bar(day, i * width + GAP / 2, width - GAP, highest))}
          <path class="base" d="M0 ${HEIGHT - 0.5}H${WIDTH}" />
        </svg>
        <div class="scale days quiet" aria-hidden="true">
          ${days.map(({ day }) => html`<span>${weekday(day)}</span>`)}
        </div>
      </figure>
      ${table(days)}
    </div>
  </section>`;
}

function bar(day: UsageOfDay, x: number, width: number, highest: number): Html {
  const scaled = (rows: number): number => (rows / highest) * (HEIGHT - 4);
  const [made, cached] = [scaled(day.embedded), scaled(day.cached)];
  const rect = (kind: string, height: number, top: number): Html =>
    html`<rect
      class="${kind}"
      x="${x.toFixed(1)}"
      y="${top.toFixed(1)}"
      width="${width.toFixed(1)}"
      height="${height.toFixed(1)}"
    />`;
  return html`<g>
    <title>${day.day}: ${count(day.embedded)} embedded, ${count(day.cached)} at no cost</title>
    ${rect("made", made, HEIGHT - made)} ${rect("lent", cached, HEIGHT - made - cached)}
  </g>`;
}

function table(days: readonly UsageOfDay[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Day<span class="wide"> (UTC)</span></th>
        <th scope="col" class="n">Rows</th>
        <th scope="col" class="n">Failed</th>
        <th scope="col" class="n">Tokens</th>
        <th scope="col" class="n">Cost</th>
        <th scope="col" class="n">95 %<span class="wide"> within</span></th>
      </tr>
    </thead>
    <tbody>
      ${[...days].reverse().map(
        (day) =>
          html`<tr>
            <th scope="row">${weekday(day.day)} <span class="quiet wide">${day.day.slice(5)}</span></th>
            ${cell(written(day))}${cell(day.failed, "bad")}${cell(day.tokens)}
            <td class="n">${day.cost === null ? "–" : rounded(day.cost)}</td>
            ${freshness(day)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function cell(value: number, kind = ""): Html {
  return html`<td class="n ${value === 0 ? "quiet" : kind}">${brief(value)}</td>`;
}

/** How long changed rows waited for their vectors. */
function freshness({ freshness_p50: half, freshness_p95: most }: UsageOfDay): Html {
  if (half === null || most === null) return html`<td class="n quiet">–</td>`;
  return html`<td class="n" title="half of the changed rows within ${waited(half)}">${waited(most)}</td>`;
}

/** One unit is enough: a step of waits is twice the one before it. */
function waited(seconds: number): string {
  return seconds < 60 ? span(seconds) : age(seconds);
}

/** Money of a day, as wide as a column on a telephone. */
function rounded(cost: number): string {
  return cost > 0 && cost < 0.01 ? "<0.01" : cost.toFixed(2);
}

function written({ embedded, cached }: UsageOfDay): number {
  return embedded + cached;
}

function weekday(day: string): string {
  return new Date(`${day}T00:00:00Z`).toLocaleDateString("en-US", { weekday: "short", timeZone: "UTC" });
}
