/** pg-autoembed inside an application: the listener that `npm start` runs, and the commands as functions. */
export { migrate, search, unwatch, watch, type ApplicationConfig } from "./application.ts";
export { readConfig, type Config } from "./config.ts";
export { defineConfig, type DeclaredConfig, type DeclaredSource } from "./declared/declared-source.ts";
export { SetupError, UsageError } from "./errors.ts";
export { createListener, type Listener } from "./listener/listener.ts";
export type { MigrateOptions } from "./migrate.ts";
export type { ChunkSettings, ChunkOptions } from "./chunks/chunk-settings.ts";
export { createSearch, type AwaitedRow, type Search, type SearchConnection } from "./search/create-search.ts";
export type { Filter } from "./search/filter.ts";
export type { CompiledSearch } from "./search/ranked-rows.ts";
export type { Hit, Question, SearchOptions, SearchResult } from "./search/search-options.ts";
export type { Watched, WatchOptions } from "./watch/watch.ts";
