import { EventEmitter } from "node:events";

/** Why a row failed: its text is too long, the provider refuses it, or the database refuses its vector. */
export type FailureKind = "too_long" | "refused" | "database";

/** How a request ended: with vectors, or why not. */
type RequestOutcome = "ok" | "throttled" | "unavailable" | "row" | "setup" | "aborted";

/** What a request of a source is sent for, the most urgent first; the reranker's have a queue of their own. */
export type Purpose = "question" | "change" | "retry" | "backfill" | "model change" | "rerank";

/** What an answer cost. */
export interface Answered {
  readonly source: string;
  readonly purpose: Purpose;
  /** Its backend and its model. */
  readonly model: string;
  readonly texts: number;
  /** Of these texts, as they were sent. */
  readonly characters: number;
  /** As the provider reports them, or estimated. */
  readonly tokens: number;
  /** The provider reports none. */
  readonly areTokensEstimated: boolean;
  /** Undefined where the price is not known. */
  readonly cost: number | undefined;
  /** Without the wait for a turn. */
  readonly milliseconds: number;
  /** It carried so much that its time shows the pace of a backfill. */
  readonly isFull: boolean;
}

/** What a listener does, for the log, the metrics, the progress bar and tests. No event carries a text. */
export interface PipelineEvents {
  /** Rows were claimed. */
  claimed: [{ source: string; rows: number }];
  /** Rows received a vector that a provider made for them. */
  embedded: [{ source: string; rows: number; freshnessMs: readonly number[]; writeMs: number }];
  /** Rows received a vector that another row, or the cache, had. */
  cached: [{ source: string; rows: number; freshnessMs: readonly number[]; writeMs: number }];
  /** Rows needed no vector: their text is blank, or they were deleted. */
  emptied: [{ source: string; rows: number }];
  /** Rows of a backfill's pages are done: embedded, emptied or failed, each of which is an event of its own. */
  paged: [{ source: string; rows: number }];
  /** Texts were split, and their rows have the chunks of their texts; so many of these are new. */
  split: [{ source: string; rows: number; chunks: number }];
  /** A provider answered. */
  answered: [Answered];
  /** A request to a provider ended: one that was retried ends more than once. */
  requested: [{ backend: string; model: string; outcome: RequestOutcome; milliseconds: number }];
  /** Rows failed for a fault of their own. */
  failed: [{ source: string; rows: number; kind: FailureKind; reason: string }];
  /** Rows went back to pending. */
  released: [{ source: string; rows: number; reason: string }];
  /** A text was longer than the model takes, and was cut. */
  truncated: [{ source: string; rows: number }];
  /** Nothing can be embedded at present: for this source, or for all of them. */
  source_failing: [
    {
      source: string | undefined;
      problem: string;
      /** The database as a whole cannot be used: reported at every try, by everything that tries. */
      isOutage?: boolean;
    },
  ];
  /** A provider asks to be left alone for so long that its sources stand still. */
  throttled: [{ backend: string; model: string; problem: string }];
  /** It works again. */
  source_recovered: [{ source: string | undefined }];
  /** A drain ended: nothing was due any more. */
  drained: [{ source: string }];
  /** The listener receives notifications. */
  listening: [];
  /** It asks the database nothing from now on: a notification wakes it. */
  asleep: [];
  /** It works again. */
  awake: [];
  /** The database is being rid of pg-autoembed: the listener stops. */
  uninstalled: [];
  /** The connection that receives notifications was lost; the poll goes on. */
  listen_lost: [{ problem: string }];
}

export class Events extends EventEmitter<PipelineEvents> {}
