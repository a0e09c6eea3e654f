import { EventEmitter } from "node:events";
import type { ProviderFault } from "./providers/provider-error.ts";

/** Whose doing it is that a row was given up: its text is too long, the provider refuses it, or the database its vector. */
type FailureKind = "too_long" | "refused" | "database";

/** How a request ended: with vectors, or with whose fault it was that it did not. */
type RequestOutcome = "ok" | ProviderFault | "aborted";

/** What a listener does, for whoever wants to know: the log, the metrics, the progress bar, a test. No event carries a text. */
export interface PipelineEvents {
  /** Rows were claimed. */
  claimed: [{ source: string; rows: number }];
  /** Rows received a vector that a provider made for them. */
  embedded: [{ source: string; rows: number; freshnessMs: readonly number[]; writeMs: number }];
  /** Rows received a vector from the cache. */
  cached: [{ source: string; rows: number; freshnessMs: readonly number[]; writeMs: number }];
  /** Rows needed no vector: their text is blank, or they are gone. */
  emptied: [{ source: string; rows: number }];
  /** Texts were cut, and their rows have the passages of their texts; so many of these are new. */
  split: [{ source: string; rows: number; passages: number }];
  /** A provider answered. */
  answered: [{ source: string; texts: number; tokens: number; milliseconds: number }];
  /** A request to a provider ended: one that was retried ends more than once. */
  requested: [{ backend: string; model: string; outcome: RequestOutcome; milliseconds: number }];
  /** Rows were given up for a fault of their own. */
  failed: [{ source: string; rows: number; kind: FailureKind; reason: string }];
  /** Rows went back to pending. */
  released: [{ source: string; rows: number; reason: string }];
  /** A text was longer than the model takes, and was cut. */
  truncated: [{ source: string; rows: number }];
  /** Nothing can be embedded for this source just now. */
  troubled: [{ source: string; problem: string }];
  /** It works again. */
  recovered: [{ source: string }];
  /** A drain ended: nothing was due any more. */
  drained: [{ source: string }];
  /** The listener hears notifications. */
  listening: [];
  /** The connection that hears notifications was lost; the poll goes on. */
  deaf: [{ problem: string }];
}

export class Events extends EventEmitter<PipelineEvents> {}
