import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";
import { SetupError, UsageError } from "../errors.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { whyUnanswered } from "../search/about-the-question.ts";
import { whereOf } from "../search/filter.ts";
import type { Searcher } from "../search/searcher.ts";
import type { Guard } from "./guard.ts";
import { readBody } from "./read-body.ts";
import { parseSearchBody, type SearchBody } from "./search-body.ts";
import { sendJson } from "./send.ts";

export const SEARCH_PATH = "/v1/search";

export interface SearchContext {
  readonly searcher: Searcher;
  readonly guard: Guard;
  readonly log: Logger;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

/**
 * Serves `POST /v1/search`. The caller has already checked that the request may search.
 *
 * A foreign page cannot make a browser send JSON without asking us first, and we do not answer that; what a browser sends
 * from another site is refused all the same.
 */
export async function serveSearch(
  context: SearchContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, body } = await answer(context, request);
  const allow: Record<string, string> = status === 405 ? { allow: "POST" } : {};
  sendJson(response, status, body, allow);
}

async function answer({ searcher, guard, log }: SearchContext, request: IncomingMessage) {
  if (request.method !== "POST") return refused(405, "Use POST here.");
  const refusal = guard.foreignRefusal(request);
  if (refusal !== undefined) {
    log.warn({ path: SEARCH_PATH }, "refused a search that another site sent");
    return refused(refusal.status, refusal.message);
  }
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers["content-type"] ?? ""))
    return refused(415, "Send JSON, with the header content-type: application/json.");
  const body = await readBody(request);
  if (body === undefined) return refused(413, "The body is longer than 64 kB.");
  try {
    return await search(searcher, parseSearchBody(body));
  } catch (error) {
    return refusalOf(error, log);
  }
}

async function search(searcher: Searcher, body: SearchBody): Promise<Answer> {
  const { question, like, source, where, text, snippet, ...request } = body;
  const filter = whereOf(where);
  const unknown = await searcher.of(source).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof UsageError && source !== undefined)
        return refused(404, `${error.message} ${error.remedy}`);
      throw error;
    },
  );
  if (unknown !== undefined) return unknown;
  const found = await searcher.search(source, question ?? { like: like ?? "" }, {
    ...request,
    where: filter,
    withText: text,
    withSnippet: snippet,
    asJson: true,
  });
  return { status: 200, body: found };
}

/** What the sender may know of an error: neither the provider's words nor its address, and nothing of our settings. */
function refusalOf(error: unknown, log: Logger): Answer {
  if (error instanceof UsageError) return refused(400, `${error.message} ${error.remedy}`);
  if (error instanceof ProviderError && error.kind === "row") return refused(400, whyUnanswered(error));
  if (error instanceof ProviderError || error instanceof DOMException)
    return refused(503, whyUnanswered(error));
  if (error instanceof SetupError)
    return refused(503, "What was asked for cannot be searched now; the operator can see why.");
  log.error({ problem: error instanceof Error ? error.name : "unknown" }, "a search could not be answered");
  return refused(503, "The database does not answer. Try again in a moment.");
}

function refused(status: number, error: string): Answer {
  return { status, body: { error } };
}
