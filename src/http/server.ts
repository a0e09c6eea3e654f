import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import pg from "pg";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { hasOwnSessions, openPool } from "../database/pools.ts";
import { NotReady, requireWritable } from "../database/require-writable.ts";
import { SetupError } from "../errors.ts";
import type { Listener } from "../listener/listener.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { openReranker } from "../providers/rerank/reranker.ts";
import { Bills } from "../search/bills.ts";
import { Searcher } from "../search/searcher.ts";
import { sampleSources } from "../status/sample-sources.ts";
import { Cached } from "./cached.ts";
import { Guard } from "./guard.ts";
import { History } from "./history.ts";
import { createMetrics } from "./metrics.ts";
import { servePage } from "./page/serve-page.ts";
import { collectPageData, type PageContext } from "./page/page-data.ts";
import { RowCounts } from "./page/row-counts.ts";
import { send, sendJson, sendText } from "./send.ts";
import { SEARCH_PATH, serveSearch } from "./serve-search.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";

export interface HttpServer {
  readonly url: string;
  close(): Promise<void>;
}

const SAMPLE_FRESH_MS = 1_000;
const PAGE_FRESH_MS = 500;
const READY_WITHIN_MS = 3_000;
/** Prometheus waits for ten seconds, and would miss what needs no database too. */
const METRICS_WITHIN_MS = 5_000;
const READY_FRESH_MS = 500;
/** How long a shutdown waits for a database that does not answer. */
const LEAVE_WITHIN_MS = 2_000;
const QUESTION_MS = 10_000;
/** A client that neither reads nor sends for this long is disconnected. */
const STALLED_MS = 60_000;

const SILENT = "the database does not answer";
const FORBIDDEN =
  "The listener's role may not do this. docs/grants.sql has the line that lets it pause and resume sources.";

/**
 * Serves the page, `/metrics`, `/healthz`, `/readyz` and `/v1/search` for a listener. Page and metrics use connections of
 * their own, so that they never delay writes; row counts and `/v1/search` use others, so that neither a slow count nor many
 * searches delay the page.
 * @throws {SetupError} if the address is not free.
 */
export async function startHttp(
  config: Config & { readonly DATABASE_URL: string; readonly EMBED_HTTP_PORT: number },
  listener: Listener,
  log: Logger,
): Promise<HttpServer> {
  const db = openPool("page", config);
  const counting = openPool("counts", config);
  const searching = openPool("questions", config);
  const requireReady = async (): Promise<void> => {
    if (listener.outage !== undefined) throw new NotReady(listener.outage);
    await requireWritable(db);
  };
  const samples = new Cached(SAMPLE_FRESH_MS, async () => {
    await requireReady();
    return await sampleSources(db);
  });
  const history = new History(listener.events, () => samples.get());
  const guard = new Guard(config.EMBED_HTTP_TOKEN);
  const metrics = createMetrics(listener, () =>
    unlessAborted(AbortSignal.timeout(METRICS_WITHIN_MS), samples.get()),
  );
  const rowCounts = new RowCounts(counting, hasOwnSessions(config));
  const readiness = new Cached(READY_FRESH_MS, requireReady);
  const data = new Cached(PAGE_FRESH_MS, () => collectPageData(db, config, rowCounts));
  // The words answer alone if the provider has not: who searches waits.
  const timeoutMs = Math.min(config.EMBEDDING_TIMEOUT, QUESTION_MS);
  const reranker = openReranker(config);
  const searcherOn = (pool: Database): Searcher =>
    new Searcher({
      db: pool,
      providerOf: (source) => listener.provider(source),
      timeoutMs,
      reranker,
      bills: new Bills(pool, config),
    });
  const searcher = searcherOn(db);
  const searches = { searcher: searcherOn(searching), guard, log };
  const page: PageContext = { db, config, listener, searcher, history, guard, data, log };

  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log.error({ problem: error instanceof Error ? error.name : "unknown" }, "the page could not be served");
      if (response.headersSent) response.destroy();
      else if (isForbidden(error)) sendText(response, 403, FORBIDDEN);
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
      if (path === SEARCH_PATH) sendJson(response, refusal.status, { error: refusal.message });
      else sendText(response, refusal.status, refusal.message);
      return;
    }
    if (path === "/metrics") {
      send(response, 200, metrics.contentType, await metrics.metrics());
      return;
    }
    if (path === SEARCH_PATH) {
      await serveSearch(searches, request, response);
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
      void reranker?.close();
      const leave = rowCounts.cancel(db).then(() => Promise.all([db.destroy(), searching.destroy()]));
      await withTimeout(LEAVE_WITHIN_MS, leave, () => undefined);
    },
  };
}

/** SQLSTATE 42501: the role of the listener lacks a right. */
function isForbidden(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === INSUFFICIENT_PRIVILEGE;
}

/** A listener is ready if its database answers, takes writes and has connections for it. A failing provider is shown on the page; a restart would not help. */
async function sendReadiness(readiness: Cached<unknown>, response: ServerResponse): Promise<void> {
  const late = new Promise<string>((resolve) => {
    setTimeout(resolve, READY_WITHIN_MS, SILENT).unref();
  });
  const asked = readiness.get().then(
    () => undefined,
    (error: unknown) => (error instanceof NotReady ? error.message : SILENT),
  );
  const problem = await Promise.race([asked, late]);
  sendText(response, problem === undefined ? 200 : 503, problem ?? "ready");
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
