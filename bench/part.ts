import type { BenchServer } from "./bench-database.ts";
import type { Section } from "./report.ts";

export interface Bench {
  readonly server: BenchServer;
  /** Fewer rows and turns: to see that it works, not to quote. */
  readonly quick: boolean;
}

/** One part of the bench. */
export type Part = (bench: Bench) => Promise<Section[]>;
