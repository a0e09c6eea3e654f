import type { Database } from "../database/connect.ts";
import type { Pgvector } from "../database/pgvector.ts";
import type { Events } from "../events.ts";
import type { LedgerModel } from "../ledger/model.ts";
import type { BatchApi } from "../providers/batch/batch-api.ts";
import type { Source } from "../sources/source.ts";

/** The day's budget. */
export interface BatchBudget {
  /** Why nothing is sent for now, were these spent as well; undefined while there is room. */
  exhaustedWith(tokens: number, money: number): string | undefined;
}

/** What the steps of a source's batches share. */
export interface BatchContext {
  readonly db: Database;
  /** For writes: its sessions keep their plans. */
  readonly writer: Database;
  readonly source: Source;
  readonly api: BatchApi;
  readonly model: LedgerModel;
  /** What `embedding_usage` calls the model. */
  readonly usageModel: string;
  /** Money per million tokens, by batch; undefined where it is not known. */
  readonly price: number | undefined;
  readonly dimensions: number;
  readonly pgvector: Pgvector;
  /** Characters per text, at most: longer ones are embedded by requests, or fail there. */
  readonly textCharacters: number;
  /** Texts per batch, at most. */
  readonly texts: number;
  /** embedding_listener.id */
  readonly owner: number;
  /** What is sent is paid for when its results are read: `exhaustedWith` counts it as spent. */
  readonly budget: BatchBudget;
  /** The money that the backfill has cost and that is not written yet. */
  readonly unwrittenCost: () => number;
  readonly events: Events;
  readonly signal: AbortSignal;
}
