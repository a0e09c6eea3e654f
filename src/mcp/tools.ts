import type { Database } from "../database/connect.ts";
import type { Searcher } from "../search/searcher.ts";
import type { AllowedColumns } from "./allowed-columns.ts";

/** What the tools work with, and what they may show. */
export interface Tools {
  /** Its sessions are read-only. */
  readonly db: Database;
  readonly searcher: Searcher;
  readonly columns: AllowedColumns;
  readonly showsTexts: boolean;
  /** A reranker is configured: it is sent the texts, whatever is shown. */
  readonly canRerank: boolean;
  /** The most that an answer may have. */
  readonly characters: number;
}
