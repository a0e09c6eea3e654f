import { SetupError } from "../../errors.ts";
import { ProviderError } from "../../providers/provider-error.ts";
import { whereOf } from "../../search/filter.ts";
import type { Searcher } from "../../search/searcher.ts";
import { parseWhere } from "../search-body.ts";
import { isHow, type SearchAsked, type SearchOutcome } from "./search.ts";

const SEARCH_LIMIT = 10;
/** Undefined: where the words have an index. */
const HYBRID = { default: undefined, both: true, meaning: false } as const;

/** Answers the page's search form; what is wrong with it is part of the answer. */
export async function answerSearch(searcher: Searcher, form: URLSearchParams): Promise<SearchOutcome> {
  const how = form.get("how") ?? "";
  const asked: SearchAsked = {
    source: form.get("source") ?? "",
    query: (form.get("query") ?? "").trim(),
    how: isHow(how) ? how : "default",
    where: (form.get("where") ?? "").trim(),
    withText: form.has("text"),
  };
  const outcome = { ...asked, found: undefined, problem: undefined };
  if (asked.query === "") return { ...outcome, problem: "What should be searched for?" };
  try {
    const found = await searcher.search(asked.source, asked.query, {
      limit: SEARCH_LIMIT,
      hybrid: HYBRID[asked.how],
      where: asked.where === "" ? undefined : whereOf(parseWhere(asked.where)),
      withSnippet: asked.withText,
    });
    return { ...outcome, found };
  } catch (error) {
    return { ...outcome, problem: problemOf(error) };
  }
}

function problemOf(error: unknown): string {
  if (error instanceof ProviderError) return error.message;
  if (error instanceof SetupError) return `${error.message} ${error.remedy}`;
  if (error instanceof DOMException) return "The provider did not answer in time. Try again in a moment.";
  throw error;
}
