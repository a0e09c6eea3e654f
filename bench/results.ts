import { readFile, writeFile } from "node:fs/promises";
import type { Section } from "./report.ts";

/** What a run has measured, as its JSON file has it: the tables and the chart are made of this. */
export interface Results {
  readonly machine: Readonly<Record<string, string>>;
  readonly quick: boolean;
  readonly sections: readonly Section[];
}

export async function readResults(file: string): Promise<Results> {
  return JSON.parse(await readFile(file, "utf8")) as Results;
}

export async function writeResults(file: string, results: Results): Promise<void> {
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
}
