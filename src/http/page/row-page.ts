import type { RowState } from "../../status/read-row.ts";
import { formatDuration } from "../../timing/format-duration.ts";
import { documentOf } from "./document.ts";
import { age, count } from "./format.ts";
import { hiddenFields, postButtons, sourceAddress } from "./forms.ts";
import { html, type Html } from "./html.ts";

interface RowPage {
  readonly source: string;
  readonly key: string;
  /** Undefined if the table has no such row. */
  readonly row: RowState | undefined;
  readonly withText: boolean;
  readonly formToken: string;
}

/** A row's state, and its text if the reader ticked the box. */
export function renderRow({ source, key, row, withText, formToken }: RowPage): string {
  const post = postButtons(formToken);
  const fields = { source, key };
  const retry =
    row?.state === "failed" &&
    post({ action: "/retry", fields, label: "Retry", name: `Retry key ${key} of ${source}` });
  const main = html`<div class="bar">
      <h1>Row <code>${key}</code></h1>
      ${retry}
    </div>
    <p>of <a href="${sourceAddress(source)}">${source}</a></p>
    ${
      row === undefined
        ? html`<p class="notice bad" role="alert">The table has no row with this key.</p>`
        : html`<section class="headline ${toneOf(row)}" aria-label="State">
              <h2 class="large"><span class="dot" aria-hidden="true"></span>${sentenceOf(row)}</h2>
            </section>
            <dl class="facts">
              ${factsOf(row).map(
                ([name, value]) =>
                  html`<div>
                    <dt>${name}</dt>
                    <dd>${value}</dd>
                  </div>`,
              )}
            </dl>
            ${textSection(row, withText, hiddenFields({ ...fields, token: formToken }))}`
    }`;
  return documentOf({ title: source, at: new Date(), notice: undefined, isLive: false, main });
}

function toneOf(row: RowState): "good" | "busy" | "bad" {
  if (row.state === "failed" || row.fault !== null) return "bad";
  return isCurrent(row) ? "good" : "busy";
}

function isCurrent(row: RowState): boolean {
  if (row.state !== "not queued" || row.is_old_text || row.is_old_setting) return false;
  return row.has_text ? row.parts > 0 && row.embedded === row.parts : row.embedded === 0;
}

function sentenceOf(row: RowState): string {
  if (row.state === "failed") return "It failed, and waits until its text changes or you press Retry.";
  if (row.state === "claimed") return "A listener is embedding it.";
  if (row.state === "pending") return "It waits for a listener.";
  if (row.fault !== null) return `Its text cannot be computed (SQLSTATE ${row.fault}).`;
  if (!row.has_text)
    return row.embedded === 0 ? "It has no text, and needs no vector." : "It has a vector and no text.";
  if (row.is_old_text) return "Its vector is of an old text, and nothing is queued: a backfill embeds it.";
  if (row.is_old_setting) return "Its vector is of an old model or setting: a backfill embeds it.";
  if (isCurrent(row)) return "It has the vector of its text.";
  return row.parts > 1
    ? `${count(row.embedded)} of its ${count(row.parts)} chunks have a vector.`
    : "It has no vector, and nothing is queued: a backfill embeds it.";
}

function factsOf(row: RowState): [string, string | Html][] {
  const { queued_seconds: queued, wait_seconds: wait, failed_seconds: failed } = row;
  const { embedded_seconds: embedded, attempts } = row;
  return [
    ["In the queue", row.state],
    ...fact("Reason", row.reason, (reason) => reason),
    ...fact("Attempts", row.state === "not queued" ? null : attempts, count),
    ...fact("Changed", queued, (seconds) => `${age(Math.max(0, seconds))} ago`),
    ...fact("Failed", failed, (seconds) => `${age(Math.max(0, seconds))} ago`),
    ...fact(
      "Next try",
      row.state === "pending" && wait !== null && wait > 0 ? wait : null,
      (seconds) => `in ${formatDuration(Math.ceil(seconds))}`,
    ),
    [
      "Vector",
      row.parts === 1
        ? row.embedded === 1
          ? "yes"
          : "none"
        : `${count(row.embedded)} of ${count(row.parts)} chunks`,
    ],
    ...fact("Embedded", embedded, (seconds) => `${age(Math.max(0, seconds))} ago`),
    ...fact("By", row.model, (model) => html`<code>${model}</code>`),
    ["Text", row.has_text ? `${count(row.characters ?? 0)} characters` : "none"],
  ];
}

function fact<T>(
  name: string,
  value: T | null,
  shown: (value: T) => string | Html,
): [string, string | Html][] {
  return value === null ? [] : [[name, shown(value)]];
}

function textSection(
  { text, characters, has_text: hasText }: RowState,
  withText: boolean,
  fields: readonly Html[],
): Html {
  if (!hasText) return html``;
  return html`<section aria-labelledby="text">
    <h2 id="text">Its text</h2>
    <form method="post" action="/row" class="search">
      ${fields}
      <label class="check"
        ><input type="checkbox" name="text" required ${withText && html`checked`} /> Show the text</label
      >
      <button>Show</button>
    </form>
    ${withText && html`<p class="panel text">${text ?? ""}</p>`}
    ${withText && text !== null && (characters ?? 0) > text.length && html`<p class="quiet">The beginning of ${count(characters ?? 0)} characters.</p>`}
  </section>`;
}
