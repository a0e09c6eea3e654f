import { invocation } from "../invocation.ts";
import { writeIndexKind } from "../search/index-kind.ts";
import type { Measured } from "../search/measure-indexes.ts";

const MB = 1_048_576;

/** What `index --measure` found, as a table, and what it says and does not say. */
export function describeMeasured(name: string, measured: Measured): string {
  const { taken, vectors, questions, measurements } = measured;
  const rows = measurements.map(({ kind, recall, ms, bytes }) => [
    kind === undefined ? "no index" : writeIndexKind(kind),
    recall.toFixed(3),
    ms.toFixed(1),
    kind === undefined ? "-" : inMb(bytes),
    kind === undefined ? "-" : inMb((bytes * vectors) / taken),
  ]);
  return [
    `${taken} of about ${vectors} vectors of ${name}; ${questions} of them were the questions.`,
    "",
    ...aligned([["kind", "recall@10", "ms a question", "MB", "MB for all"], ...rows]),
    "",
    "In the whole table a question takes longer, most of all without an index, and recall is somewhat lower.",
    `To build one: ${invocation("index", `${name} --kind KIND`)}`,
  ].join("\n");
}

function inMb(bytes: number): string {
  return (bytes / MB).toFixed(1);
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
