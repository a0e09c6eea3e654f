import { expect, test } from "vitest";
import { drawChart } from "../../bench/chart.ts";
import type { Results } from "../../bench/results.ts";

const RESULTS: Results = {
  machine: { postgres: "Postgres 17", cpu: "2 x CPU", commit: "abc" },
  quick: false,
  sections: [
    {
      title: "Rows & more",
      columns: ["", "rows/s", "requests", "MB"],
      rows: [
        ["the plan", 100, 7, 20],
        ["ours", 400, 7, 30],
        ["no row written", 9_000, 7, undefined],
      ],
      bars: [],
      chart: {
        columns: [
          { name: "rows/s", better: "more" },
          { name: "MB", better: "less" },
        ],
        without: ["no row written"],
      },
    },
    { title: "Not drawn", columns: ["", "ms"], rows: [["ours", 1]], bars: [] },
  ],
};

const widths = [...drawChart(RESULTS).matchAll(/<rect class="(\w+)" x=.* width="([\d.]+)"/g)].map(
  ([, style, width]) => [style, Number(width)] as const,
);
const texts = [...drawChart(RESULTS).matchAll(/<text [^>]*>([^<]*)</g)].map(([, text]) => text);

test("The chart has a bar per row and column that the section names, in proportion to the longest", () => {
  expect(widths.map(([style]) => style)).toEqual(["bar", "ours", "bar", "ours"]);
  const [plan, ours, planSize, oursSize] = widths.map(([, width]) => width);
  expect((ours ?? 0) / (plan ?? 0)).toBeCloseTo(4, 1);
  expect((oursSize ?? 0) / (planSize ?? 0)).toBeCloseTo(1.5, 1);
});

test("The chart's words and figures are text, escaped", () => {
  expect(texts).toEqual(
    expect.arrayContaining(["Rows &amp; more", "the plan", "ours", "rows/s ↑", "MB ↓", "400"]),
  );
  expect(texts.join(" ")).not.toMatch(/no row written|9,000|Not drawn|requests/);
});

test("The chart of results read from a file, where a figure that was not measured is null, is the same text", () => {
  expect(drawChart(JSON.parse(JSON.stringify(RESULTS)) as Results)).toBe(drawChart(RESULTS));
});
