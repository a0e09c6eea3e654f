import { createHash } from "node:crypto";
import type { ProviderDescription } from "../../providers/registry.ts";
import { VERSION } from "../../version.ts";
import type { History } from "../history.ts";
import { charts } from "./chart.ts";
import { headline } from "./headline.ts";
import { html, Html } from "./html.ts";
import type { PageData } from "./page-data.ts";
import {
  failuresSection,
  figures,
  headlineSection,
  machinerySection,
  searchSection,
  sourcesSection,
  type SearchOutcome,
} from "./sections.ts";
import { SCRIPT, STYLE } from "./style.ts";

export interface PageView {
  readonly data: PageData;
  readonly history: History;
  readonly providers: readonly ProviderDescription[];
  readonly formToken: string;
  /** Price per million tokens; undefined if it is not configured. */
  readonly price: number | undefined;
  /** One sentence about what the last form did. */
  readonly notice: string | undefined;
  readonly search: SearchOutcome | undefined;
}

/** Allows only the page's own style and script, and forms to its own address. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src '${digest(STYLE)}'`,
  `script-src '${digest(SCRIPT)}'`,
  "connect-src 'self'",
  "img-src data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

// Made here as a whole, so that the formatter adds no space: the policy holds their hashes.
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);
const SCRIPT_ELEMENT = new Html(`<script>${SCRIPT}</script>`);

export function renderPage(view: PageView): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>pg-autoembed</title>
        <link rel="icon" href="data:," />
        ${STYLE_ELEMENT}
      </head>
      <body>
        <header>
          <strong>pg-autoembed</strong
          ><span class="quiet"
            >${clock(view.data.at)}
            <label hidden>· <input type="checkbox" id="live" checked /> live</label></span
          >
        </header>
        ${view.notice !== undefined && html`<p class="notice" role="status">${view.notice}</p>`}
        <main>${live(view)} ${searchSection(view.data.sources, view.formToken, view.search)}</main>
        <footer><p class="quiet">Version ${VERSION}</p></footer>
        ${SCRIPT_ELEMENT}
      </body>
    </html>`;
  return page.markup;
}

/** The part of the page that is refreshed automatically. */
export function renderLive(view: PageView): string {
  return html`${clock(view.data.at)}${live(view)}`.markup;
}

function live({ data, history, providers, formToken, price }: PageView): Html {
  return html`<div id="figures">
    ${headlineSection(headline(data, providers, history.rowsPerMinute()))}
    ${figures(data, history.freshness(), price)} ${charts(history.moments)}
    ${sourcesSection(data.sources, formToken)} ${failuresSection(data.sources, formToken)}
    ${machinerySection(data.listeners, providers)}
  </div>`;
}

function clock(at: Date): Html {
  return html`<span id="at"
    ><time datetime="${at.toISOString()}">${at.toISOString().slice(11, 19)} UTC</time></span
  >`;
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
