import type { Database } from "../database/connect.ts";
import type { Pgvector } from "../database/pgvector.ts";
import type { RetryingProvider } from "../providers/retrying-provider.ts";
import type { Source } from "../sources/source.ts";
import type { ClaimLedger } from "../queue/claim-ledger.ts";
import type { Events } from "../events.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import type { WriteSize } from "./write-size.ts";

/** What the pipeline asks of a provider that waits, retries and paces itself; all lanes of a process share one. */
export type Embedder = Pick<
  RetryingProvider,
  "backend" | "model" | "dimensions" | "limits" | "ready" | "embed" | "close"
>;

interface WorkSettings {
  /** Texts a request, at most (`EMBED_BATCH_SIZE`). */
  readonly batchSize: number;
  /** Requests in flight, at most (`EMBED_MAX_CONCURRENCY`). */
  readonly concurrency: number;
  /** Requests that wait for their turn beside those, so that the provider never waits for a claim. */
  readonly waiting: number;
  /** What becomes of a text that is longer than the model takes (`EMBED_ON_TOO_LONG`). */
  readonly onTooLong: "fail" | "truncate";
}

/** Everything that the steps of one source's pipeline share. */
export interface SourceContext {
  readonly db: Database;
  /** For the statements of a batch: claims and write-backs. */
  readonly batches: Database;
  readonly source: Source;
  readonly provider: Embedder;
  readonly cacheModel: string;
  readonly pgvector: Pgvector;
  readonly settings: WorkSettings;
  readonly claims: ClaimLedger;
  /** Write-backs in flight: 2-3 connections saturate one Postgres, more gain nothing. */
  readonly writes: ConcurrencyLimit;
  /** Learns from each claim and each write of this source. */
  readonly writeSize: WriteSize;
  readonly events: Events;
  /** Calls `EmbedWorker.wake` when that much time has passed: rows were put back until then. */
  readonly wakeIn: (milliseconds: number) => void;
}
