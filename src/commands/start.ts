import { once } from "node:events";
import { readConfig } from "../config.ts";
import type { Logger } from "pino";
import type { HttpServer } from "../http/server.ts";
import { invocation } from "../invocation.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import { uninstalledSignal } from "../listener/uninstalled-signal.ts";
import { Interrupted } from "../errors.ts";
import { logEvents } from "../log.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { openDatabase, type OpenDatabase } from "./database-of.ts";
import { withinConnectionLimit } from "./within-connection-limit.ts";
import { abortedBySignal, stopSignal } from "./stop-signal.ts";

const OPTIONS = {} satisfies Options;

export const start: Command = {
  usage: invocation("start"),
  summary:
    "keep every watched table embedded, until Ctrl-C or SIGTERM; without DATABASE_URL, on an embedded Postgres",
  options: OPTIONS,
  examples: [
    [invocation("start"), "until Ctrl-C; run as many as you like"],
    [`EMBED_HTTP_PORT=8080 ${invocation("start")}`, "also serves the page, /metrics and /healthz"],
  ],
  async run(args) {
    parseCommand(start, args, { options: OPTIONS });
    // Before anything starts: a process that is stopped during its start also has claims and locks to release.
    const signalled = stopSignal();
    const opening = { alone: true, signal: abortedBySignal(signalled) };
    const database = await openDatabase(readConfig(process.env, console.error), opening).catch(stoppedEarly);
    if (database === undefined) return 0;
    try {
      const warnings: string[] = [];
      const config = await configOf(database, (warning) => warnings.push(warning));
      const listener = createListener(config);
      let http: HttpServer | undefined;
      const log = logEvents(listener.events, config.EMBED_LOG_LEVEL);
      for (const warning of warnings) log.warn(warning);
      try {
        const uninstalled = rejectedBy(uninstalledSignal(listener.events));
        const stopping = Promise.race([signalled, uninstalled, ...failing(database)]);
        const early = await Promise.race([listener.start(), stopping]);
        if (early === undefined) {
          log.info("listening for changes");
          http = await serveHttp(config, listener, log);
          welcome(database);
        }
        const signal = early ?? (await stopping);
        log.info({ signal }, "stopping: a second signal ends the process at once");
      } finally {
        const [left] = await Promise.all([listener.stop(), http?.close()]);
        log.info({ rows_left_pending: left }, "stopped");
      }
    } finally {
      await database.close();
    }
    return 0;
  },
};

/** The embedded Postgres has no limit of connections. */
async function configOf(
  { config, embedded }: OpenDatabase,
  onWarning: (warning: string) => void,
): Promise<OpenDatabase["config"]> {
  return embedded === undefined ? await withinConnectionLimit(config, onWarning) : config;
}

/** A stop that comes before the database is open is no failure. */
function stoppedEarly(error: unknown): undefined {
  if (!(error instanceof Interrupted)) throw error;
  console.error("Stopped before the database was open.");
  return undefined;
}

/** Promises that reject if the embedded Postgres stops unasked; none if there is no embedded Postgres. */
function failing({ embedded }: OpenDatabase): Promise<never>[] {
  if (embedded === undefined) return [];
  return [
    embedded.stopped.then((error) => {
      throw error ?? new Error("the embedded Postgres stopped unexpectedly");
    }),
  ];
}

async function rejectedBy(signal: AbortSignal): Promise<never> {
  await once(signal, "abort");
  throw signal.reason;
}

async function serveHttp(
  config: OpenDatabase["config"],
  listener: Listener,
  log: Logger,
): Promise<HttpServer | undefined> {
  const { EMBED_HTTP_PORT } = config;
  if (EMBED_HTTP_PORT === undefined) return undefined;
  // Loaded only where it serves.
  const { startHttp } = await import("../http/server.ts");
  const http = await startHttp({ ...config, EMBED_HTTP_PORT }, listener, log);
  log.info({ url: http.url }, "serving the page, /metrics, /healthz and /readyz");
  return http;
}

function welcome({ config, embedded }: OpenDatabase): void {
  if (embedded === undefined) return;
  console.log(
    `
The embedded Postgres is ready; its data is in ${config.EMBED_DATA_DIR}/. Connect with psql or any client:

${embedded.url}

Insert a patient, and the vector is added automatically:

psql ${embedded.url} -c "insert into patient_embeddings values (1, 'Type 2 diabetes, HbA1c 9.1 %, metformin 1 g twice daily') on conflict (patient_id) do nothing"

Change context_text and its vector changes with it. See: ${invocation("status")}, ${invocation("search", '"poorly controlled diabetes"')}
`,
  );
}
