import { isAlive } from "../../membership/alive.ts";
import { formatDuration } from "../../timing/format-duration.ts";
import type { ProviderDescription } from "../../providers/registry.ts";
import type { ListenerStatus } from "../../status/collect-status.ts";
import type { Neighbour } from "../../search/searched-rows.ts";
import type { Freshness } from "../history.ts";
import { brief, cost, count, percent, span } from "./format.ts";
import type { Headline } from "./headline.ts";
import { html, type Html } from "./html.ts";
import type { PageData, PageSource } from "./page-data.ts";

/** The result of a search, as the page shows it. */
export interface SearchOutcome {
  readonly source: string;
  readonly query: string;
  readonly withText: boolean;
  readonly found: readonly Neighbour[];
  readonly problem: string | undefined;
}

export function headlineSection({ tone, sentence, details }: Headline): Html {
  return html`<section class="headline ${tone}" aria-labelledby="how">
    <h1 id="how"><span class="dot" aria-hidden="true"></span>${sentence}</h1>
    ${
      details.length > 0 &&
      html`<ul>
        ${details.map((detail) => html`<li>${detail}</li>`)}
      </ul>`
    }
  </section>`;
}

export function figures(data: PageData, freshness: Freshness | undefined, price: number | undefined): Html {
  const today = (of: keyof PageSource["today"]): number =>
    data.sources.reduce((sum, source) => sum + source.today[of], 0);
  const written = today("embedded") + today("cached");
  const tokens = today("tokens");
  return html`<dl class="figures">
    ${figure("Freshness", freshness === undefined ? "–" : span(freshness.medianSeconds), freshness === undefined ? "no recent changes" : `median; 95 % within ${span(freshness.p95Seconds)}`)}
    ${figure("Embedded today", brief(written), `${count(today("requests"))} requests`)}
    ${figure("From the cache", written === 0 ? "–" : percent(today("cached"), written), `${brief(today("cached"))} rows at no cost`)}
    ${figure("Tokens today", brief(tokens), "since midnight, UTC")}
    ${figure("Cost today", price === undefined ? "–" : cost(tokens, price), price === undefined ? "set EMBED_PRICE_PER_MILLION_TOKENS" : `at ${String(price)} per million tokens`)}
  </dl>`;
}

function figure(name: string, value: string, note: string): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}<small>${note}</small></dd>
  </div>`;
}

export function sourcesSection(sources: readonly PageSource[], formToken: string): Html {
  return html`<section aria-labelledby="sources">
    <h2 id="sources">Sources</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="sources">
      <table>
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col" class="wide">Current</th>
            <th scope="col" class="n">Waiting</th>
            <th scope="col" class="n">In flight</th>
            <th scope="col" class="n">Failed</th>
            <th scope="col" class="n">Oldest</th>
            <th scope="col" class="n">Tokens today</th>
            <th scope="col"><span class="hidden">Action</span></th>
          </tr>
        </thead>
        <tbody>
          ${sources.map((source) => sourceRow(source, formToken))}
        </tbody>
      </table>
    </div>
  </section>`;
}

function sourceRow(source: PageSource, formToken: string): Html {
  const { name, paused, oldest_pending_seconds: oldest } = source;
  const action = paused ? "resume" : "pause";
  return html`<tr>
    <th scope="row">
      ${name}${paused && html` <span class="tag">paused</span>`}${source.problem !== null && html` <span class="tag bad">stopped</span>`}
    </th>
    <td>${progress(source)}</td>
    <td class="n">${count(source.pending)}</td>
    <td class="n">${count(source.in_flight)}</td>
    <td class="n${source.failed > 0 ? " bad" : ""}">${count(source.failed)}</td>
    <td class="n">${oldest === null ? "–" : span(Math.max(0, oldest))}</td>
    <td class="n">${brief(source.today.tokens)}</td>
    <td class="n">
      <form method="post" action="/${action}">
        <input type="hidden" name="token" value="${formToken}" />
        <input type="hidden" name="source" value="${name}" /><button
          aria-label="${paused ? "Resume" : "Pause"} ${name}"
        >
          ${paused ? "Resume" : "Pause"}
        </button>
      </form>
    </td>
  </tr>`;
}

function progress({ name, progress: counted }: PageSource): Html {
  if (counted === undefined) return html`<span class="quiet">counting …</span>`;
  const { rows, current, old_text: oldText, old_setting: oldSetting } = counted;
  const counts = [
    `${count(current)} of ${count(rows)}, ${percent(current, rows)}`,
    ...(oldText === 0 ? [] : [`${count(oldText)} of an old text`]),
    ...(oldSetting === 0 ? [] : [`${count(oldSetting)} of an old model or setting`]),
  ];
  return html`<progress
      max="${Math.max(1, rows)}"
      value="${rows === 0 ? 1 : current}"
      aria-label="${name}: rows with a current vector"
    ></progress>
    <span class="quiet">${counts.join("; ")}</span>`;
}

export function failuresSection(sources: readonly PageSource[], formToken: string): Html {
  const failing = sources.filter((source) => source.failed > 0);
  if (failing.length === 0) return html``;
  const retry = (source: string, label: string, key?: string): Html =>
    html`<form method="post" action="/retry">
      <input type="hidden" name="token" value="${formToken}" /><input
        type="hidden"
        name="source"
        value="${source}"
      />
      ${key !== undefined && html`<input type="hidden" name="key" value="${key}" />`}
      <button
        aria-label="Retry ${key === undefined ? `all failed rows of ${source}` : `key ${key} of ${source}`}"
      >
        ${label}
      </button>
    </form>`;
  return html`<section aria-labelledby="failed">
    <h2 id="failed">Failed rows</h2>
    ${failing.map(
      (source) =>
        html`<div class="bar">
            <p>
              <strong>${source.name}</strong>: ${count(source.failed)}
              failed${source.failures.length < source.failed && html`, the latest ${source.failures.length} of them here`}.
              A row is retried when its text changes, or when you press Retry.
            </p>
            ${retry(source.name, "Retry all")}
          </div>
          <div class="scroll" tabindex="0" role="region" aria-label="Failed rows of ${source.name}">
            <table>
              <thead>
                <tr>
                  <th scope="col">Key</th>
                  <th scope="col" class="reason">Reason</th>
                  <th scope="col">When (UTC)</th>
                  <th scope="col"><span class="hidden">Action</span></th>
                </tr>
              </thead>
              <tbody>
                ${source.failures.map(
                  ({ key, reason, failed_at: at }) =>
                    html`<tr>
                      <th scope="row"><code>${key}</code></th>
                      <td>${reason}</td>
                      <td class="quiet">
                        <time datetime="${at}">${at.slice(0, 16).replace("T", " ")}</time>
                      </td>
                      <td class="n">${retry(source.name, "Retry", key)}</td>
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`,
    )}
  </section>`;
}

export function machinerySection(
  listeners: readonly ListenerStatus[],
  providers: readonly ProviderDescription[],
): Html {
  const states = { closed: "works", throttled: "throttled", open: "circuit open" } as const;
  return html`<section aria-labelledby="machinery">
    <h2 id="machinery">Providers and listeners</h2>
    <ul class="plain">
      ${providers.map(
        ({ backend, model, state, reason, requests_per_minute: pace, concurrency }) =>
          html`<li>
            <span class="tag ${state === "closed" ? "good" : state === "open" ? "bad" : "busy"}"
              >${states[state]}</span
            >
            <strong>${model}</strong>
            <span class="quiet"
              >${backend}, ${concurrency} in flight at
              most${pace !== null && html`, ${brief(pace)} requests per minute`}</span
            >${reason !== null && html`<br /><span class="quiet">${reason}</span>`}
          </li>`,
      )}
      ${listeners.map(
        ({ pid, host, version, silent_seconds: silent }) =>
          html`<li>
            <span class="tag ${isAlive(silent) ? "good" : "bad"}"
              >${isAlive(silent) ? "alive" : "silent"}</span
            >
            <strong>listener</strong>
            <span class="quiet"
              >process ${pid} on ${host}, version ${version}, seen ${formatDuration(Math.max(0, silent))}
              ago</span
            >
          </li>`,
      )}
    </ul>
  </section>`;
}

export function searchSection(
  sources: readonly PageSource[],
  formToken: string,
  outcome: SearchOutcome | undefined,
): Html {
  return html`<section aria-labelledby="search">
    <h2 id="search">Search</h2>
    <form method="post" action="/search#search" class="search" role="search">
      <input type="hidden" name="token" value="${formToken}" />
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
          ${sources.map(
            ({ name }) => html`<option${name === outcome?.source && html` selected`}>${name}</option>`,
          )}
        </select></label
      >
      <label class="check"
        ><input type="checkbox" name="text" ${outcome?.withText === true && html` checked`} /> Show
        texts</label
      >
      <button class="main">Search</button>
    </form>
    ${outcome !== undefined && results(outcome)}
  </section>`;
}

function results({ found, problem, withText }: SearchOutcome): Html {
  if (problem !== undefined) return html`<p class="notice bad" role="alert">${problem}</p>`;
  if (found.length === 0) return html`<p class="notice">Nothing is embedded here yet.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Nearest rows">
    <table>
      <caption class="quiet">
        The ${found.length} nearest rows, by cosine distance: 0 is the same direction, 1 unrelated.
      </caption>
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col" class="n">Distance</th>
          ${withText && html`<th scope="col" class="wide">Text</th>`}
        </tr>
      </thead>
      <tbody>
        ${found.map(
          ({ key, distance, text }) =>
            html`<tr>
              <th scope="row"><code>${key}</code></th>
              <td class="n">${distance.toFixed(4)}</td>
              ${withText && html`<td>${shortened(text ?? "")}</td>`}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
