import type { Database } from "../database/connect.ts";
import type { Pgvector } from "../database/pgvector.ts";
import type { Events } from "../events.ts";
import type { Lending } from "../ledger/lending.ts";
import type { Provider } from "../providers/provider.ts";
import type { Claims } from "../queue/claims.ts";
import type { Source } from "../sources/source.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import type { UnkeptVectors } from "./unkept-vectors.ts";
import type { WorkerLoop } from "./worker-loop.ts";
import type { WriteSize } from "./write-size.ts";

interface EmbedSettings {
  /** Texts per request, at most (`EMBED_BATCH_SIZE`). */
  readonly batchSize: number;
  /** Requests in flight, at most (`EMBED_MAX_CONCURRENCY`). */
  readonly concurrency: number;
  /** Further requests that are ready to be sent, so that the provider never waits for a claim. */
  readonly waiting: number;
  /** Requests of a backfill in flight, at most; undefined for as many as of changes. */
  readonly backfillLanes: number | undefined;
  /** What becomes of a text that is longer than the model takes (`EMBED_ON_TOO_LONG`). */
  readonly onTooLong: "fail" | "truncate";
}

/** What the steps that embed one source share. */
export interface SourceContext {
  readonly db: Database;
  /** For the statements of a batch: claims and writes. */
  readonly batches: Database;
  readonly source: Source;
  readonly provider: Provider;
  readonly lending: Lending;
  /** The money that its backfill has cost and that is not written yet. */
  readonly unwrittenCost: () => number;
  readonly pgvector: Pgvector;
  readonly settings: EmbedSettings;
  readonly events: Events;
  /** Writes in flight, of all sources: 2-3 connections saturate one Postgres, more gain nothing. */
  readonly writes: ConcurrencyLimit;
  /** Learns from each claim and each write of this source. */
  readonly writeSize: WriteSize;
  readonly unkept: UnkeptVectors;
  readonly claims: Claims;
  readonly loop: Pick<WorkerLoop, "failed" | "releasingOnError" | "stopping" | "aborting">;
}
