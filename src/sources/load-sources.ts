import type { Database } from "../database/connect.ts";
import { isChunked, type ChunkedSource } from "./chunked-source.ts";
import { diagnoseExpressions } from "./diagnose-expressions.ts";
import { diagnoseSource, type Use } from "./diagnose-source.ts";
import { readSources } from "./read-sources.ts";
import type { BrokenSource, Source } from "./source.ts";

export interface Sources {
  /** Their texts can be embedded. */
  readonly usable: readonly Source[];
  /** Their texts can be split into chunks. */
  readonly chunked: readonly ChunkedSource[];
  readonly broken: readonly BrokenSource[];
}

/** Reads all sources as their tables are now: a dropped or renamed part breaks its own source, and no other. */
export async function loadSources(db: Database, use: Use = "work"): Promise<Sources> {
  const usable: Source[] = [];
  const chunked: ChunkedSource[] = [];
  const broken: BrokenSource[] = [];
  for (const row of await readSources(db)) {
    const diagnosed = diagnoseSource(row, use);
    const source = "problem" in diagnosed ? diagnosed : await diagnoseExpressions(db, diagnosed, row, use);
    if ("problem" in source) broken.push(source);
    else if (isChunked(source)) chunked.push(source);
    else usable.push(source);
  }
  return { usable, chunked, broken };
}
