import type { WatchOptions } from "../watch/watch.ts";
import type { Difference } from "./compare-definitions.ts";
import type { Estimate, NoEstimate } from "./estimate-backfill.ts";

/** What makes the database as the file declares it, one thing at a time. */
export type Step =
  | { readonly step: "unwatch"; readonly source: string }
  | {
      readonly step: "watch";
      readonly source: string;
      /** Empty for a source that the database does not have. */
      readonly differences: readonly Difference[];
      readonly options: WatchOptions;
    }
  | {
      /** Pays for every row, so a person starts it. */
      readonly step: "remodel";
      readonly source: string;
      readonly differences: readonly Difference[];
      readonly command: string;
      /** Settings that the file leaves out, and that the command keeps. */
      readonly kept: readonly string[];
      readonly estimate: Estimate | NoEstimate | null;
    }
  | {
      readonly step: "backfill";
      readonly source: string;
      /** Existing texts are cut into chunks again. */
      readonly all: boolean;
      readonly estimate: Estimate | NoEstimate;
    }
  | { readonly step: "index"; readonly source: string; readonly memory: string | undefined };

export interface Problem {
  readonly source: string;
  readonly problem: string;
  readonly remedy: string;
}

export interface Plan {
  readonly file: string;
  /** In the order in which `apply` does them. */
  readonly steps: readonly Step[];
  /** What keeps declared sources from being watched. */
  readonly problems: readonly Problem[];
  /** What a person may want to know, and no step changes. */
  readonly notes: readonly string[];
  /** Sources that the file does not name, and that are left alone. */
  readonly not_declared: readonly string[];
}

/** Rows that wait for their vectors are no difference: every change of a text makes one. */
export function differs({ steps, problems }: Pick<Plan, "steps" | "problems">): boolean {
  return problems.length > 0 || steps.some(({ step }) => step !== "backfill");
}
