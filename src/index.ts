/** pg-autoembed inside an application: the same listener that `npm start` runs. */
export { readConfig, type Config } from "./config.ts";
export { SetupError, UsageError } from "./errors.ts";
export { createListener, type Listener } from "./listener/listener.ts";
export { migrate, type MigrateOptions } from "./migrate.ts";
