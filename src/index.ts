/** pg-autoembed inside an application: the listener that `npm start` runs, and the commands as functions. */
export {
  migrate,
  search,
  unwatch,
  watch,
  type ApplicationConfig,
  type SearchOptions,
} from "./application.ts";
export { readConfig, type Config } from "./config.ts";
export { SetupError, UsageError } from "./errors.ts";
export { createListener, type Listener } from "./listener/listener.ts";
export type { MigrateOptions } from "./migrate.ts";
export type { ChunkSettings, ChunkOptions } from "./chunks/chunk-settings.ts";
export type { Neighbour } from "./search/searched-rows.ts";
export type { Watched, WatchOptions } from "./watch/watch.ts";
