import { UsageError } from "../errors.ts";

/** How a text is cut, as stored in `embedding_source.passages`. */
export interface ChunkSettings {
  /** The greatest length of a chunk, including its overlap with the previous chunk. */
  readonly chunk: number;
  /** How much of the end of one chunk is repeated at the start of the next, at most. */
  readonly overlap: number;
  readonly unit: SplitUnit;
}

/**
 * `characters` are counted as Postgres's `char_length` does. `tokens` are estimated as one per three bytes of UTF-8: no
 * count is exact for every model, and for most prose this estimate is above the count of the usual models.
 */
type SplitUnit = "characters" | "tokens";

/** A shorter chunk has no meaning of its own. */
const SHORTEST_CHUNK = 20;
/** The overlap, as a share of the chunk, if none is given. */
const DEFAULT_OVERLAP = 1 / 8;

export interface ChunkOptions {
  readonly chunk: number;
  readonly overlap?: number | undefined;
  readonly unit?: SplitUnit | undefined;
}

/** @throws {UsageError} if the options cannot be used. */
export function chunkSettings({ chunk, overlap, unit = "characters" }: ChunkOptions): ChunkSettings {
  if (!Number.isInteger(chunk) || chunk < SHORTEST_CHUNK) {
    throw new UsageError(
      `A chunk has at least ${SHORTEST_CHUNK} ${unit}, and --chunk is ${chunk}.`,
      "Such as: --chunk 800 --overlap 100",
    );
  }
  const overlapOrDefault = overlap ?? Math.floor(chunk * DEFAULT_OVERLAP);
  if (!Number.isInteger(overlapOrDefault) || overlapOrDefault < 0 || overlapOrDefault > chunk / 2) {
    throw new UsageError(
      `--overlap is ${overlapOrDefault}, and takes a whole number from 0 to half of --chunk, which is ${chunk}.`,
      `Such as: --chunk ${chunk} --overlap ${Math.floor(chunk * DEFAULT_OVERLAP)}`,
    );
  }
  return { chunk, overlap: overlapOrDefault, unit };
}

/** The settings in words: `into chunks of at most 800 characters, overlapping by up to 100`. */
export function describeChunking({ chunk, overlap, unit }: ChunkSettings): string {
  return `into chunks of at most ${chunk} ${unit}, overlapping by up to ${overlap}`;
}
