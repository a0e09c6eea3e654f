/** The result of one part of the bench: a table, and the bars that it must meet. */
export interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | undefined)[])[];
  readonly bars: readonly Bar[];
  readonly chart?: ChartedColumns;
}

/** The columns that the chart shows as bars, and the rows that it leaves out, since they would dwarf the others. */
export interface ChartedColumns {
  readonly columns: readonly { readonly name: string; readonly better: "more" | "less" }[];
  readonly without?: readonly string[];
}

export interface Bar {
  readonly bar: string;
  readonly measured: string;
  readonly met: boolean;
}

export function atLeast(bar: string, measured: number, wanted: number, unit = ""): Bar {
  return { bar, measured: `${round(measured)}${unit}`, met: measured >= wanted };
}

export function atMost(bar: string, measured: number, wanted: number, unit = ""): Bar {
  return { bar, measured: `${round(measured)}${unit}`, met: measured <= wanted };
}

/** Rounds to three significant digits; whole numbers from 100 on. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

export function printMachine(machine: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(machine)) console.log(`${name.padEnd(9)} ${value}`);
}

export function print(section: Section): void {
  const cells = [
    [...section.columns],
    ...section.rows.map((row) => row.map((cell) => (typeof cell === "number" ? round(cell) : (cell ?? "-")))),
  ];
  const widths = section.columns.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? "").length)));
  console.log(`\n${section.title}`);
  for (const row of cells) {
    console.log(
      `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`,
    );
  }
  for (const { bar, measured, met } of section.bars)
    console.log(`  ${met ? "met   " : "MISSED"} ${bar}: ${measured}`);
}
