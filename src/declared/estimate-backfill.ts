import { dryRun, type DryRunReport } from "../backfill/dry-run.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { ProviderError } from "../providers/provider-error.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { countChunkedRows } from "../status/count-chunked-rows.ts";

/** What embedding would take; it sends nothing. */
export interface Estimate {
  readonly report: DryRunReport;
  /** Texts that are still to be cut into chunks. */
  readonly textsToCut: number;
}

/** Where nothing can be estimated: what is missing. */
export interface NoEstimate {
  readonly unknown: string;
}

export interface Work {
  readonly source: Source;
  /** The source whose texts are cut into the chunks that `source` embeds. */
  readonly chunked?: ChunkedSource | undefined;
  /** Of a source whose texts are to be cut, and are not cut yet: the texts stand for their chunks. */
  readonly isUncut?: boolean;
  /** Every row, and not only those without a current vector. */
  readonly all?: boolean;
}

/** No text is too long to be cut. */
const ANY_LENGTH = { EMBED_MAX_TEXT_CHARACTERS: 100_000_000 } as const;

/** @returns null if there is nothing to embed */
export async function estimateBackfill(
  db: Database,
  config: Config,
  { source, chunked, isUncut = false, all = false }: Work,
  signal: AbortSignal,
): Promise<Estimate | NoEstimate | null> {
  try {
    const settings = isUncut ? { ...config, ...ANY_LENGTH } : config;
    const report = await dryRun(db, settings, source, { all, sample: null, signal });
    const textsToCut = isUncut ? report.rows : chunked === undefined ? 0 : await countUncut(db, chunked);
    return report.rows === 0 && textsToCut === 0 ? null : { report, textsToCut };
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof ProviderError)) throw error;
    return { unknown: error.message };
  }
}

async function countUncut(db: Database, chunked: ChunkedSource): Promise<number> {
  const { rows, current } = await countChunkedRows(db, chunked);
  return rows - current;
}
