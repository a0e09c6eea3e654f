import type { IncomingMessage, ServerResponse } from "node:http";
import { ProviderError } from "../../providers/provider-error.ts";
import { retryFailed } from "../../queue/retry.ts";
import { embedQuery } from "../../search/embed-query.ts";
import { searchChosen } from "../../search/search-source.ts";
import { chooseOne } from "../../sources/choose-sources.ts";
import { setPaused } from "../../sources/set-paused.ts";
import { SetupError } from "../../errors.ts";
import { send, sendText } from "../send.ts";
import type { PageContext } from "./page-data.ts";
import { PAGE_POLICY, renderLive, renderPage, type PageView } from "./render-page.ts";
import type { SearchOutcome } from "./sections.ts";

const LONGEST_FORM = 64 * 1024;
const SEARCH_LIMIT = 10;
const SEARCH_TIMEOUT_MS = 10_000;

/** Serves `/`, `/live` and the forms. The caller has already checked that the request may see the page. */
export async function servePage(
  page: PageContext,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const isForm = ["/search", "/pause", "/resume", "/retry"].includes(path);
  if (!isForm && path !== "/" && path !== "/live") {
    sendText(response, 404, "There is nothing here.");
    return;
  }
  const allowed = isForm ? ["POST"] : ["GET", "HEAD"];
  if (!allowed.includes(request.method ?? "")) {
    response.setHeader("allow", allowed.join(", "));
    sendText(response, 405, `Use ${allowed.join(" or ")} here.`);
    return;
  }
  if (!isForm) {
    const view = await viewOf(page, { notice: noticeOf(request), search: undefined });
    sendPage(response, path === "/live" ? renderLive(view) : renderPage(view));
    return;
  }
  const form = await readForm(request);
  if (form === undefined) {
    sendText(response, 413, "The form is too long.");
    return;
  }
  const refusal = page.guard.formRefusal(request, form);
  if (refusal !== undefined) {
    page.log.warn({ path }, "refused a form that did not come from the page");
    sendText(response, refusal.status, refusal.message);
    return;
  }
  if (path === "/search") {
    sendPage(
      response,
      renderPage(await viewOf(page, { notice: undefined, search: await search(page, form) })),
    );
    return;
  }
  const done = await carryOut(page, path, form);
  page.data.forget();
  send(response, 303, "text/plain", "", { location: `/?${done}` });
}

function sendPage(response: ServerResponse, markup: string): void {
  send(response, 200, "text/html", markup, { "content-security-policy": PAGE_POLICY });
}

async function viewOf(page: PageContext, more: Pick<PageView, "notice" | "search">): Promise<PageView> {
  return {
    data: await page.data.get(),
    history: page.history,
    providers: page.listener.describeProviders(),
    formToken: page.guard.formToken,
    price: page.config.EMBED_PRICE_PER_MILLION_TOKENS,
    ...more,
  };
}

/** @returns the query string that tells the next page what was done. */
async function carryOut({ db, log }: PageContext, path: string, form: URLSearchParams): Promise<string> {
  const source = form.get("source") ?? "";
  if (path === "/retry") {
    const key = form.get("key");
    const rows = await retryFailed(db, { source, keys: key === null ? undefined : [key] });
    log.info({ source, rows }, "retried from the page");
    return `retried=${String(rows)}`;
  }
  const paused = path === "/pause";
  const found = await setPaused(db, source, paused);
  if (found) log.info({ source }, paused ? "paused from the page" : "resumed from the page");
  return found ? (paused ? "paused" : "resumed") : "unknown";
}

/** The notice for a query string that `carryOut` wrote. Text from the address is never shown. */
function noticeOf(request: IncomingMessage): string | undefined {
  const parameters = new URLSearchParams((request.url ?? "").split("?", 2)[1]);
  const rows = Number(parameters.get("retried"));
  if (parameters.has("retried") && Number.isInteger(rows)) {
    return rows === 1 ? "One row is waiting again." : `${String(rows)} rows are waiting again.`;
  }
  if (parameters.has("paused")) return "Paused. Changes are still queued, and nothing is lost.";
  if (parameters.has("resumed")) return "Resumed.";
  if (parameters.has("unknown")) return "That source is no longer there.";
  return undefined;
}

async function search(page: PageContext, form: URLSearchParams): Promise<SearchOutcome> {
  const query = (form.get("query") ?? "").trim();
  const wanted = form.get("source") ?? "";
  const withText = form.has("text");
  const outcome = { source: wanted, query, withText, found: [], problem: undefined };
  if (query === "") return { ...outcome, problem: "What should be searched for?" };
  try {
    const chosen = await chooseOne(page.db, wanted);
    const [source] = chosen.sources;
    if (source === undefined) return outcome;
    const provider = await page.listener.provider(source);
    const vector = await embedQuery(page.db, provider, query, AbortSignal.timeout(SEARCH_TIMEOUT_MS));
    return {
      ...outcome,
      found: await searchChosen(page.db, chosen, vector, { limit: SEARCH_LIMIT, withText }),
    };
  } catch (error) {
    return { ...outcome, problem: problemOf(error) };
  }
}

function problemOf(error: unknown): string {
  if (error instanceof ProviderError || error instanceof SetupError) return error.message;
  if (error instanceof DOMException) return "The provider did not answer in time. Try again in a moment.";
  throw error;
}

/** Undefined if the body is longer than any of our forms. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_FORM) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}
