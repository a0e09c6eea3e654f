import type { BenchServer } from "./bench-database.ts";
import type { Section } from "./report.ts";

export interface Bench {
  readonly server: BenchServer;
  /** Fewer rows and turns, to check that the bench works. Its figures should not be quoted. */
  readonly quick: boolean;
}

/** One part of the bench. */
export type Part = (bench: Bench) => Promise<Section[]>;
