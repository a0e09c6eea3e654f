import type { ProviderDescription } from "../../providers/registry.ts";
import type { History } from "../history.ts";
import { charts } from "./chart.ts";
import { clock, documentOf } from "./document.ts";
import { failuresSection } from "./failures.ts";
import { figures, headlineSection } from "./figures.ts";
import { postButtons } from "./forms.ts";
import { headline } from "./headline.ts";
import { html, type Html } from "./html.ts";
import { machinerySection } from "./machinery.ts";
import type { PageData } from "./page-data.ts";
import { searchSection, type SearchOutcome } from "./search.ts";
import { sourcesSection } from "./sources.ts";
import { weekSection } from "./week.ts";

export interface PageView {
  readonly data: PageData;
  readonly history: History;
  readonly providers: readonly ProviderDescription[];
  readonly formToken: string;
  /** One sentence about what the last form did. */
  readonly notice: string | undefined;
  readonly search: SearchOutcome | undefined;
}

export function renderPage(view: PageView): string {
  const { data, formToken, notice, search } = view;
  const main = html`${live(view)} ${searchSection(data.sources, formToken, postButtons(formToken), search)}`;
  return documentOf({ title: undefined, at: data.at, notice, isLive: true, main });
}

/** The part of the page that is refreshed automatically. */
export function renderLive(view: PageView): string {
  return html`${clock(view.data.at)}${live(view)}`.markup;
}

function live({ data, history, providers, formToken }: PageView): Html {
  const post = postButtons(formToken);
  return html`<div id="figures">
    ${headlineSection(headline(data, providers, history.rowsPerMinute()))}
    ${figures(data, history.freshness())} ${charts(history.moments)} ${sourcesSection(data.sources, post)}
    ${failuresSection(data.reasons, post, data.at)} ${weekSection(data.week)}
    ${machinerySection(data.listeners, providers, data.at)}
  </div>`;
}
