import type { RawVector } from "../raw-vector.ts";

/** How much one batch may carry. */
export interface BatchLimits {
  /** Texts, each on a line of its own. */
  readonly lines: number;
  /** Of the file. */
  readonly bytes: number;
}

/** What a provider says of a batch. */
export type BatchProgress =
  | { readonly kind: "running"; readonly expiresAt: Date | undefined }
  | {
      /** Completed, expired or cancelled: what it has is in the files. */
      readonly kind: "ended";
      readonly outputFile: string | undefined;
      /** Undefined where the errors are in the output, or there are none. */
      readonly errorFile: string | undefined;
    }
  | {
      /** Nothing of it was embedded, or will be. */
      readonly kind: "failed";
      readonly reason: string;
      /** It would be taken later: too many tokens are waiting at the provider. */
      readonly isQuota: boolean;
    };

/** One line of a result. */
export type BatchLine =
  | {
      readonly kind: "vector";
      readonly line: number;
      readonly vector: RawVector;
      /** Undefined where the provider reports none. */
      readonly tokens: number | undefined;
    }
  /** The text itself is refused. */
  | { readonly kind: "refused"; readonly line: number }
  /** It was not embedded, and may be by another request; or it cannot be read. */
  | { readonly kind: "missing" };

/** The offer of a provider, as a dry run shows it. */
export interface BatchOffer {
  /** Of the price of the same texts in requests. */
  readonly priceFactor: number;
  /** After which the provider gives up. */
  readonly hours: number;
  /** The address is one that is known to have batches: they may be used without being asked for. */
  readonly isCertain: boolean;
  readonly limits: BatchLimits;
}

/**
 * A provider's batch API. Every method throws a `ProviderError`, never with a text in it; when aborted, the signal's reason.
 * Files and batches are named by ids of the provider's.
 */
export interface BatchApi extends Pick<BatchOffer, "priceFactor" | "limits"> {
  /** A line of the input file, with its line feed. @param line its number, from 0: the only name that the provider gets */
  line(line: number, text: string): string;
  /** @param name of the file, by which `findFiles` finds it. @returns its id */
  upload(name: string, lines: readonly Buffer[], signal: AbortSignal): Promise<string>;
  /** The files of that name, among the latest. */
  findFiles(name: string, signal: AbortSignal): Promise<string[]>;
  /** Has a file embedded. @param tag is kept with the batch. @returns its id */
  create(file: string, tag: string, signal: AbortSignal): Promise<string>;
  /** The batch that was made of the file, or has the tag. */
  find(file: string, tag: string, signal: AbortSignal): Promise<string | undefined>;
  look(batch: string, signal: AbortSignal): Promise<BatchProgress>;
  /** Has the provider stop; what it has embedded until then is in its files. */
  cancel(batch: string, signal: AbortSignal): Promise<void>;
  /** Reads a file of results as a stream, a line at a time. */
  results(file: string, signal: AbortSignal): AsyncIterable<BatchLine>;
  /** A file that is not there any more is deleted. */
  deleteFile(file: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
