import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sql } from "kysely";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { hasOwnSessions, openPool } from "../database/pools.ts";
import { SetupError } from "../errors.ts";
import type { Listener } from "../listener/listener.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { sampleSources } from "../status/sample-sources.ts";
import { Cached } from "./cached.ts";
import { Guard } from "./guard.ts";
import { History } from "./history.ts";
import { createMetrics } from "./metrics.ts";
import { servePage } from "./page/serve-page.ts";
import { collectPageData, type PageContext } from "./page/page-data.ts";
import { RowCounts } from "./page/row-counts.ts";
import { send, sendText } from "./send.ts";

export interface HttpServer {
  readonly url: string;
  close(): Promise<void>;
}

const SAMPLE_FRESH_MS = 1_000;
const PAGE_FRESH_MS = 500;
const READY_WITHIN_MS = 3_000;
const READY_FRESH_MS = 500;
/** How long a shutdown waits for a database that does not answer. */
const LEAVE_WITHIN_MS = 2_000;
/** A client that neither reads nor sends for this long is disconnected. */
const STALLED_MS = 60_000;

/**
 * Serves the page, `/metrics`, `/healthz` and `/readyz` for a listener. Page and metrics use connections of their own, so
 * that they never delay writes; row counts use another, so that a slow count never delays the page.
 * @throws {SetupError} if the address is not free.
 */
export async function startHttp(
  config: Config & { readonly DATABASE_URL: string; readonly EMBED_HTTP_PORT: number },
  listener: Listener,
  log: Logger,
): Promise<HttpServer> {
  const db = openPool("page", config);
  const counting = openPool("counts", config);
  const samples = new Cached(SAMPLE_FRESH_MS, () => sampleSources(db));
  const history = new History(listener.events, () => samples.get());
  const guard = new Guard(config.EMBED_HTTP_TOKEN);
  const metrics = createMetrics(listener, () => samples.get());
  const rowCounts = new RowCounts(counting, hasOwnSessions(config));
  const readiness = new Cached(READY_FRESH_MS, () =>
    sql`select from autoembed.embedding_source limit 1`.execute(db),
  );
  const data = new Cached(PAGE_FRESH_MS, () => collectPageData(db, rowCounts));
  const page: PageContext = { db, config, listener, history, guard, data, log };

  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log.error({ problem: error instanceof Error ? error.name : "unknown" }, "the page could not be served");
      if (response.headersSent) response.destroy();
      else sendText(response, 503, "The database does not answer. Try again in a moment.");
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    if (path === "/healthz") {
      sendText(response, 200, "ok");
      return;
    }
    if (path === "/readyz") {
      await sendReadiness(readiness, response);
      return;
    }
    const refusal = guard.refusal(request);
    if (refusal !== undefined) {
      if (refusal.status === 401) response.setHeader("www-authenticate", 'Basic realm="pg-autoembed"');
      sendText(response, refusal.status, refusal.message);
      return;
    }
    if (path === "/metrics") {
      send(response, 200, metrics.contentType, await metrics.metrics());
      return;
    }
    await servePage(page, path, request, response);
  }

  server.setTimeout(STALLED_MS);
  await listen(server, config);
  history.start();
  return {
    url: urlOf(server, config.EMBED_HTTP_HOST),
    async close() {
      history.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      // Not awaited: behind a pooler a count cannot be cancelled, and the database may not answer.
      void counting.destroy();
      const leave = rowCounts.cancel(db).then(() => db.destroy());
      await withTimeout(LEAVE_WITHIN_MS, leave, () => undefined);
    },
  };
}

/** A listener is ready if it can reach the database. A failing provider is shown on the page; a restart would not help. */
async function sendReadiness(readiness: Cached<unknown>, response: ServerResponse): Promise<void> {
  const late = new Promise<boolean>((resolve) => {
    setTimeout(resolve, READY_WITHIN_MS, false).unref();
  });
  const asked = readiness.get().then(
    () => true,
    () => false,
  );
  const ready = await Promise.race([asked, late]);
  sendText(response, ready ? 200 : 503, ready ? "ready" : "the database does not answer");
}

async function listen(
  server: Server,
  { EMBED_HTTP_HOST: host, EMBED_HTTP_PORT: port }: Config,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(port, host, resolve);
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new SetupError(
      `Cannot listen on ${host}:${String(port)} (${code}).`,
      "Set EMBED_HTTP_PORT to a port that is free, and EMBED_HTTP_HOST to an address of this machine.",
      { cause: error },
    );
  }
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
}
