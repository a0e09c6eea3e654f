import type { SearchResult } from "../../search/search-options.ts";
import { count } from "./format.ts";
import { hiddenFields, rowLink, type PostButton } from "./forms.ts";
import { html, type Html } from "./html.ts";
import type { PageSource } from "./page-data.ts";

/** What was asked for, so that the form shows it again. */
export interface SearchAsked {
  readonly source: string;
  readonly query: string;
  readonly how: How;
  /** A filter as JSON; empty without one. */
  readonly where: string;
  readonly withText: boolean;
}

/** The result of a search, as the page shows it. */
export interface SearchOutcome extends SearchAsked {
  readonly found: SearchResult | undefined;
  readonly problem: string | undefined;
}

const HOWS = {
  default: "automatic",
  both: "meaning and words",
  meaning: "meaning alone",
} as const;
export type How = keyof typeof HOWS;

export function isHow(value: string): value is How {
  return Object.hasOwn(HOWS, value);
}

export function searchSection(
  sources: readonly PageSource[],
  formToken: string,
  post: PostButton,
  outcome: SearchOutcome | undefined,
): Html {
  const chosen = outcome?.source ?? largest(sources)?.name;
  const option = (value: string, label: string, isChosen: boolean): Html =>
    html`<option value="${value}" ${isChosen && html`selected`}>${label}</option>`;
  return html`<section aria-labelledby="search">
    <h2 id="search">Search</h2>
    <form method="post" action="/search#search" class="search" role="search">
      ${hiddenFields({ token: formToken })}
      <label class="grow"
        ><span>What the text should be about</span
        ><input
          name="query"
          type="search"
          required
          maxlength="2000"
          autocomplete="off"
          value="${outcome?.query}"
      /></label>
      <label
        ><span>In</span
        ><select name="source">
          ${sources.map(({ name }) => option(name, name, name === chosen))}
        </select></label
      >
      <label
        ><span>By</span
        ><select name="how">
          ${Object.entries(HOWS).map(([value, label]) => option(value, label, value === (outcome?.how ?? "default")))}
        </select></label
      >
      <label class="check"
        ><input type="checkbox" name="text" ${outcome?.withText === true && html`checked`} /> Show
        texts</label
      >
      <button class="main">Search</button>
      <details class="whole" ${outcome !== undefined && outcome.where !== "" && html`open`}>
        <summary>Filter, and what “by” means</summary>
        <label
          ><span>Only rows whose columns are (JSON)</span
          ><input
            name="where"
            type="text"
            maxlength="2000"
            autocomplete="off"
            spellcheck="false"
            placeholder='{"status": ["open", "new"], "price": {"lt": 50}}'
            value="${outcome?.where}"
        /></label>
        <p class="quiet">
          <b>Meaning</b> finds rows whose vectors are nearest to the question’s, even if they share no word
          with it. <b>Words</b> moves up the rows that have the question’s words: names, codes and rare terms,
          which a vector blurs. With both (hybrid), a score from 0 to 1 orders the rows of one answer; scores
          of two answers cannot be compared. Automatic adds the words where they have an index.
        </p>
      </details>
    </form>
    ${outcome !== undefined && results(outcome, post)}
  </section>`;
}

/** Hardly anybody wants to search the empty sample table. */
function largest(sources: readonly PageSource[]): PageSource | undefined {
  const rows = ({ progress }: PageSource): number => progress?.rows ?? 0;
  return sources.reduce<PageSource | undefined>(
    (best, source) => (best === undefined || rows(source) > rows(best) ? source : best),
    undefined,
  );
}

function results({ source, found, problem, withText }: SearchOutcome, post: PostButton): Html {
  if (problem !== undefined) return html`<p class="notice bad" role="alert">${problem}</p>`;
  if (found === undefined) return html``;
  const { hits, rankedBy, notice } = found;
  const note = notice !== null && html`<p class="notice">${notice}</p>`;
  if (hits.length === 0) return html`${note}`;
  return html`${note}
    <p class="quiet">
      ${hits.length === 1 ? "The best row" : `The ${String(hits.length)} best rows`}, ${CAPTIONS[rankedBy]}.
    </p>
    <ol class="hits" aria-label="Best rows">
      ${hits.map(
        (hit) =>
          html`<li>
            <div>
              ${rowLink(post, source, hit.key)} <span class="quiet">${figuresOf(hit, rankedBy)}</span>
            </div>
            ${withText && html`<p>${(hit.snippet ?? "").replace(/\s+/g, " ").trim()}</p>`}
          </li>`,
      )}
    </ol>`;
}

function figuresOf(
  { score, distance, chunk }: SearchResult["hits"][number],
  rankedBy: SearchResult["rankedBy"],
): string {
  return [
    ...(rankedBy === "meaning" ? [] : [`score ${score.toFixed(4)}`]),
    ...(distance === null ? [] : [`distance ${distance.toFixed(4)}`]),
    ...(chunk === undefined
      ? []
      : [`chunk ${String(chunk.number)} (characters ${count(chunk.start + 1)} to ${count(chunk.end)})`]),
  ].join(", ");
}

const CAPTIONS: Readonly<Record<SearchResult["rankedBy"], string>> = {
  meaning: "by cosine distance: 0 is the same direction, 1 unrelated",
  "meaning and words": "by meaning and words: 1 is the best score of this answer",
  words: "by words alone: 1 is the best score of this answer",
  reranker: "by the reranker: the highest score is best",
};
