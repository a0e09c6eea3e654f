/** pg-autoembed inside an application: the same listener that `npm start` runs, and what the commands do. */
export { search, unwatch, watch, type ApplicationConfig, type SearchOptions } from "./application.ts";
export { readConfig, type Config } from "./config.ts";
export { SetupError, UsageError } from "./errors.ts";
export { createListener, type Listener } from "./listener/listener.ts";
export { migrate, type MigrateOptions } from "./migrate.ts";
export type { ChunkSettings, ChunkOptions } from "./chunks/chunk-settings.ts";
export type { Found } from "./search/search-source.ts";
export type { Neighbour } from "./search/nearest.ts";
export type { Watched, WatchOptions } from "./watch/watch.ts";
