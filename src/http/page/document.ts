import { VERSION } from "../../version.ts";
import { html, Html } from "./html.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";

// Made here as a whole, so that the formatter adds no space: the policy holds their hashes.
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);
const SCRIPT_ELEMENT = new Html(`<script>${SCRIPT}</script>`);

interface Document {
  /** Part of the title; undefined for the first page. */
  readonly title: string | undefined;
  /** When its figures were read. */
  readonly at: Date;
  /** One sentence about what the last form did. */
  readonly notice: string | undefined;
  /** Whether the page's script refreshes it. */
  readonly isLive: boolean;
  readonly main: Html;
}

export function documentOf({ title, at, notice, isLive, main }: Document): string {
  const brand =
    title === undefined
      ? html`<strong>pg-autoembed</strong>`
      : html`<nav aria-label="Pages">
          <a href="/">pg-autoembed</a> <span class="quiet">/ ${title}</span>
        </nav>`;
  const toggle = html` <label hidden>· <input type="checkbox" id="live" checked /> live</label>`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>${title !== undefined && `${title} – `}pg-autoembed</title>
        <link rel="icon" href="data:," />
        ${STYLE_ELEMENT}
      </head>
      <body>
        <header>${brand}<span class="quiet">${clock(at)}${isLive && toggle}</span></header>
        ${notice !== undefined && html`<p class="notice" role="status">${notice}</p>`}
        <main>${main}</main>
        <footer><p class="quiet">Version ${VERSION}</p></footer>
        ${SCRIPT_ELEMENT}
      </body>
    </html>`.markup;
}

export function clock(at: Date): Html {
  return html`<span id="at"
    ><time datetime="${at.toISOString()}">${at.toISOString().slice(11, 19)} UTC</time></span
  >`;
}
