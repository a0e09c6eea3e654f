import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody } from "../read-body.ts";
import { send, sendText } from "../send.ts";
import { carryOut, noticeOf } from "./carry-out.ts";
import type { PageContext } from "./page-data.ts";
import { PAGE_POLICY } from "./policy.ts";
import { renderLive, renderPage, type PageView } from "./render-page.ts";
import { answerSearch } from "./answer-search.ts";
import { showRow } from "./show-row.ts";
import { collectSource } from "./source-data.ts";
import { renderSource } from "./source-page.ts";

const READ = ["/", "/live", "/source"];
const FORMS = ["/search", "/row", "/pause", "/resume", "/retry"];

/** Serves the pages and their forms. The caller has already checked that the request may see the page. */
export async function servePage(
  page: PageContext,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const isForm = FORMS.includes(path);
  if (!isForm && !READ.includes(path)) {
    sendText(response, 404, "There is nothing here.");
    return;
  }
  const allowed = isForm ? ["POST"] : ["GET", "HEAD"];
  if (!allowed.includes(request.method ?? "")) {
    response.setHeader("allow", allowed.join(", "));
    sendText(response, 405, `Use ${allowed.join(" or ")} here.`);
    return;
  }
  if (isForm) await serveForm(page, path, request, response);
  else await serveRead(page, path, new URLSearchParams(request.url?.split("?", 2)[1]), response);
}

async function serveRead(
  page: PageContext,
  path: string,
  parameters: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const notice = noticeOf(parameters);
  if (path === "/source") {
    const view = await collectSource(page, parameters.get("name") ?? "");
    if (view === undefined) {
      sendText(response, 404, "No source has this name.");
      return;
    }
    sendPage(response, renderSource({ view, formToken: page.guard.formToken, notice }));
    return;
  }
  const view = await viewOf(page, { notice, search: undefined });
  sendPage(response, path === "/live" ? renderLive(view) : renderPage(view));
}

async function serveForm(
  page: PageContext,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  if (body === undefined) {
    sendText(response, 413, "The form is too long.");
    return;
  }
  const form = new URLSearchParams(body);
  const refusal = page.guard.formRefusal(request, form);
  if (refusal !== undefined) {
    page.log.warn({ path }, "refused a form that did not come from the page");
    sendText(response, refusal.status, refusal.message);
    return;
  }
  if (path === "/search") {
    const search = await answerSearch(page.searcher, form);
    sendPage(response, renderPage(await viewOf(page, { notice: undefined, search })));
    return;
  }
  if (path === "/row") {
    sendPage(response, await showRow(page, form));
    return;
  }
  const location = await carryOut(page, path, form);
  page.data.forget();
  send(response, 303, "text/plain", "", { location });
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
    ...more,
  };
}
