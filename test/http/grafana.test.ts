import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Events } from "../../src/events.ts";
import { createMetrics } from "../../src/http/metrics.ts";

interface Panel {
  readonly title?: string;
  readonly description?: string;
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string }[];
}

const { panels, templating } = JSON.parse(readFileSync("deploy/grafana.json", "utf8")) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly query: string }[] };
};
const metrics = exportedMetrics();
/** Labels that Prometheus adds. */
const OF_PROMETHEUS = ["instance", "job", "le"];

/** The labels of each series that a listener exports. */
function exportedMetrics(): ReadonlyMap<string, readonly string[]> {
  const registry = createMetrics(
    { events: new Events(), describeProviders: () => [], isListening: true },
    () => Promise.resolve([]),
  );
  const series = new Map<string, readonly string[]>();
  for (const { name } of registry.getMetricsAsArray()) {
    const metric = registry.getSingleMetric(name) as unknown as { readonly labelNames: readonly string[] };
    for (const suffix of ["", "_bucket", "_sum", "_count"]) series.set(`${name}${suffix}`, metric.labelNames);
  }
  return series;
}

/** Names of metrics in PromQL, each with the labels by which it is selected. */
function selectors(expression: string): { readonly name: string; readonly labels: string[] }[] {
  return [...expression.matchAll(/\b((?:pg_autoembed|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = "", matchers = ""]) => ({
      name,
      labels: [...matchers.matchAll(/(\w+)\s*[=!]/g)].map(([, label = ""]) => label),
    }),
  );
}

test("Every metric and label that the Grafana dashboard names is one that a listener exports", () => {
  const expressions = [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }) => query),
  ];
  const unknown = expressions.flatMap((expression) => {
    const named = selectors(expression);
    const known = [...OF_PROMETHEUS, ...named.flatMap(({ name }) => metrics.get(name) ?? [])];
    const grouped = [...expression.matchAll(/\b(?:by|on|without) \(([^)]*)\)/g)].flatMap(([, labels = ""]) =>
      labels.split(/,\s*/),
    );
    return [
      ...named.filter(({ name }) => !metrics.has(name)).map(({ name }) => name),
      ...[...named.flatMap(({ labels }) => labels), ...grouped].filter((label) => !known.includes(label)),
    ].map((name) => `${name} in ${expression}`);
  });
  expect(expressions.flatMap(selectors).length).toBeGreaterThan(15);
  expect(unknown).toEqual([]);
});

test("Every panel of the Grafana dashboard has a title, a description, a unit and something to draw", () => {
  expect(panels.length).toBeGreaterThan(10);
  const bare = panels.filter(
    ({ title, description, fieldConfig, targets = [] }) =>
      !title || !description || !fieldConfig?.defaults?.unit || targets.length === 0,
  );
  expect(bare).toEqual([]);
});

test("The table of metrics in docs/operations.md names every metric that a listener exports, and no other", () => {
  const documented = readFileSync("docs/operations.md", "utf8").matchAll(/`(pg_autoembed_\w+)`/g);
  const names = new Set([...documented].map(([, name]) => name));
  const exported = [...metrics.keys()].filter((name) =>
    /^pg_autoembed_(?!.*_(bucket|sum|count)$)/.test(name),
  );
  expect([...names].sort()).toEqual(exported.sort());
});
