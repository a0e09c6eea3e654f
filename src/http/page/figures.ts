import type { Freshness } from "../history.ts";
import { money, pricesOf } from "../../status/describe-spent.ts";
import { brief, count, percent, span } from "./format.ts";
import type { Headline } from "./headline.ts";
import { html, Html } from "./html.ts";
import type { PageData, PageSource } from "./page-data.ts";

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

/** A long name may break after each of its words. */
const NO_PRICE = new Html("set EMBED_<wbr>PRICE_<wbr>PER_<wbr>MILLION_<wbr>TOKENS");

export function figures(data: PageData, freshness: Freshness | undefined): Html {
  const today = (of: keyof PageSource["today"]): number =>
    data.sources.reduce((sum, source) => sum + source.today[of], 0);
  const written = today("embedded") + today("cached");
  const { spent } = data;
  const isPriced = spent.tokens === 0 || spent.unpriced_tokens < spent.tokens;
  return html`<dl class="figures">
    ${figure("Freshness", freshness === undefined ? "–" : span(freshness.medianSeconds), freshness === undefined ? "no recent changes" : `median; 95 % within ${span(freshness.p95Seconds)}`)}
    ${figure("Embedded today", brief(written), `${count(today("requests"))} requests`)}
    ${figure("From the cache", written === 0 ? "–" : percent(today("cached"), written), `${brief(today("cached"))} rows at no cost`)}
    ${figure("Tokens today", brief(spent.tokens), "since midnight, UTC, questions included")}
    ${figure("Cost today", isPriced ? money(spent.cost) : "–", isPriced ? pricesOf(spent).join("; ") || "at the prices that are set" : NO_PRICE)}
  </dl>`;
}

function figure(name: string, value: string, note: string | Html): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}<small>${note}</small></dd>
  </div>`;
}
