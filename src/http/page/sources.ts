import { brief, count, percent, span } from "./format.ts";
import { pauseButton, sourceAddress, type PostButton } from "./forms.ts";
import { sourceLabel } from "../../status/source-label.ts";
import { html, type Html } from "./html.ts";
import type { PageSource } from "./page-data.ts";

export function sourcesSection(sources: readonly PageSource[], post: PostButton): Html {
  return html`<section aria-labelledby="sources">
    <h2 id="sources">Sources</h2>
    <ul class="cards">
      ${sources.map(
        (source) =>
          html`<li>
            <div class="name">
              <a href="${sourceAddress(source.name)}">${sourceLabel(source)}</a>${tags(source)}
            </div>
            <div class="progress">${progress(source)}</div>
            ${numbers(source)}
            <div class="action">${pauseButton(post, source.name, source.paused)}</div>
          </li>`,
      )}
    </ul>
  </section>`;
}

export function tags({ paused, problem }: Pick<PageSource, "paused" | "problem">): Html {
  return html`${paused && html` <span class="tag">paused</span>`}${problem !== null && html` <span class="tag bad">stopped</span>`}`;
}

export function numbers(source: PageSource): Html {
  const { pending, in_flight: inFlight, failed, oldest_pending_seconds: oldest, today } = source;
  return html`<dl class="numbers">
    ${number("Waiting", pending, count(pending))} ${number("In flight", inFlight, count(inFlight))}
    ${number("Failed", failed, count(failed), "bad")}
    ${number("Oldest", oldest, oldest === null ? "–" : span(Math.max(0, oldest)))}
    ${number("Tokens today", today.tokens, brief(today.tokens))}
  </dl>`;
}

/** A number that says nothing is quiet. */
function number(name: string, value: number | null, shown: string, kind = ""): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd class="${value === null || value === 0 ? "quiet" : kind}">${shown}</dd>
  </div>`;
}

/** Where all is current, a tick says so; a full bar would be the heaviest thing on a healthy page. */
export function progress(source: PageSource): Html {
  const { progress: counted } = source;
  if (counted === undefined) return html`<span class="quiet">counting …</span>`;
  const { rows, current, not_queued: notQueued, old_text: oldText, old_setting: oldSetting } = counted;
  const counts = [
    `${count(current)} of ${count(rows)}, ${percent(current, rows)}`,
    ...(notQueued === 0 ? [] : [`${count(notQueued)} not queued`]),
    ...(oldText === 0 ? [] : [`${count(oldText)} of an old text`]),
    ...(oldSetting === 0 ? [] : [`${count(oldSetting)} of an old model or setting`]),
  ];
  const words = html`<span class="quiet">${counts.join("; ")}</span>`;
  if (current >= rows) return html`<span class="good" aria-hidden="true">✓</span> ${words}`;
  return html`<progress
      max="${Math.max(1, rows)}"
      value="${current}"
      aria-label="${sourceLabel(source)}: rows with a current vector"
    ></progress>
    ${words}`;
}
