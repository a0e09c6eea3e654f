import type { WatchOptions } from "../watch/watch.ts";

/** What a source may say besides its text: see `WatchOptions`, whose names these are. */
interface DeclaredOptions extends Pick<
  WatchOptions,
  "table" | "vector" | "into" | "tenant" | "type" | "name" | "backend" | "model" | "dimensions" | "settings"
> {
  /** Columns that identify a row; the primary key by default. */
  readonly key?: string | readonly string[] | undefined;
  /** Cuts the text into chunks of at most this length, which are kept in `into` with one vector each. */
  readonly chunk?: number | undefined;
  /** How much of one chunk the next may repeat; an eighth of `chunk` by default. */
  readonly overlap?: number | undefined;
  /** What `chunk` and `overlap` count; `characters` by default. */
  readonly unit?: "characters" | "tokens" | undefined;
  /**
   * True builds the HNSW index that searches use, after the backfill; `memory` is `maintenance_work_mem` of the build, such
   * as `2GB`. By default no index is built, and an existing one is kept.
   */
  readonly index?: boolean | { readonly memory: string } | undefined;
}

/** A text that is to be watched: a column or an SQL expression as `text`, or several `columns`, one below the other. */
export type DeclaredSource = DeclaredOptions &
  (
    | { readonly text: string; readonly columns?: undefined }
    | { readonly columns: readonly string[]; readonly text?: undefined }
  );

/** The contents of `autoembed.config.ts`. It has no secrets: a source names the variable of its key. */
export interface DeclaredConfig {
  readonly sources: readonly DeclaredSource[];
}

/** Checks the types of a configuration file, and returns what it is given. */
export function defineConfig(config: DeclaredConfig): DeclaredConfig {
  return config;
}
