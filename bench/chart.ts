import { round, type ChartedColumns, type Section } from "./report.ts";
import type { Results } from "./results.ts";

const WIDTH = 800;
const MARGIN = 24;
const LABELS = 190;
const LINE = 24;
const BAR = 14;
/** Room for the figure behind the longest bar. */
const FIGURE = 62;

/** It has a background of its own, so that it can be read on any page; a browser that prefers dark gets the dark one. */
const STYLE = `
  .page { fill: #ffffff } .text { fill: #1f2328 } .quiet { fill: #59636e } .bar { fill: #8c959f } .ours { fill: #0969da }
  text { font: 12px system-ui, sans-serif } .title { font-size: 14px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #f0f6fc } .quiet { fill: #9198a1 } .bar { fill: #6e7681 } .ours { fill: #4493f8 }
  }`;

/** The bar chart of a run: each section that names columns for it, in the order of the tables. The same results give the same text. */
export function drawChart({ machine, sections }: Results): string {
  const parts: string[] = [];
  let top = MARGIN;
  for (const { title, columns, rows, chart } of sections) {
    if (chart === undefined) continue;
    const charted = rows.filter(([name]) => chart.without?.includes(String(name)) !== true);
    parts.push(
      text(MARGIN, top, "text title", title),
      ...drawRows(charted, columns, chart.columns, top + LINE),
    );
    top += (charted.length + 3) * LINE;
  }
  const { cpu = "", postgres = "", commit = "" } = machine;
  const where = `${postgres} · ${cpu} · commit ${commit}`;
  parts.push(text(MARGIN, top, "quiet", `↑ more is better, ↓ less is better · ${where}`));
  const height = top + MARGIN;
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-labelledby="name">`,
    `<title id="name">What npm run bench measured</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** One line per row of the table: its name, and next to it a bar for each of the chart's columns. */
function drawRows(
  rows: Section["rows"],
  columns: Section["columns"],
  charted: ChartedColumns["columns"],
  top: number,
): string[] {
  const names = rows.map(([name], index) =>
    text(MARGIN, top + (index + 1) * LINE, isOurs(name) ? "text" : "quiet", String(name)),
  );
  const width = (WIDTH - 2 * MARGIN - LABELS) / charted.length;
  const panels = charted.flatMap(({ name, better }, panel) => {
    const left = MARGIN + LABELS + panel * width;
    const at = columns.indexOf(name);
    const most = Math.max(...rows.map((row) => finite(row[at]) ?? 0));
    const bars = rows.flatMap((row, index) => {
      const value = finite(row[at]);
      if (value === undefined) return [];
      const length = (value / (most || 1)) * (width - FIGURE);
      const base = top + (index + 1) * LINE;
      return [
        `<rect class="${isOurs(row[0]) ? "ours" : "bar"}" x="${tenth(left)}" y="${base - BAR + 3}" width="${tenth(length)}" height="${BAR}"/>`,
        text(left + length + 6, base, "text", round(value)),
      ];
    });
    return [text(left, top, "quiet", `${name} ${better === "more" ? "↑" : "↓"}`), ...bars];
  });
  return [...names, ...panels];
}

/** A figure that was not measured is null in JSON. */
function finite(cell: unknown): number | undefined {
  return typeof cell === "number" && Number.isFinite(cell) ? cell : undefined;
}

function isOurs(name: unknown): boolean {
  return String(name).startsWith("ours");
}

function text(x: number, y: number, style: string, content: string): string {
  return `<text class="${style}" x="${tenth(x)}" y="${y}">${escape(content)}</text>`;
}

function tenth(length: number): string {
  return String(Number(length.toFixed(1)));
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
