import type { BenchServer } from "./bench-database.ts";
import type { Section } from "./report.ts";

export interface Bench {
  readonly server: BenchServer;
  /** Fewer rows and turns, to check that the bench works. Its figures should not be quoted. */
  readonly quick: boolean;
  /** Rows of the main table, in place of those that `backfill`, `statements` and `state` have. */
  readonly rows: number | undefined;
  /** A folder with collections for `relevance`: `cranfield/` and `clinical-notes.csv`. */
  readonly collections: string | undefined;
  /** Shows on stderr what is being measured. */
  readonly progress: (what: string) => void;
}

/** One part of the bench. */
export type Part = (bench: Bench) => Promise<Section[]>;
