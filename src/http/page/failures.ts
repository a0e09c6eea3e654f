import { createHash } from "node:crypto";
import type { FailuresOfReason } from "../../queue/failures.ts";
import { invocation } from "../../invocation.ts";
import { ago, count } from "./format.ts";
import { chosenRow, rowLink, type PostButton } from "./forms.ts";
import { html, type Html } from "./html.ts";

/** More reasons than that are shown closed: their first lines are a list of what went wrong. */
const SHOWN_OPEN = 3;

/**
 * Failed rows by their reason, with the number of rows, the commonest reason first.
 * @param source on the page of a source, its name
 */
export function failuresSection(
  reasons: readonly FailuresOfReason[],
  post: PostButton,
  now: Date,
  source?: string,
): Html {
  if (reasons.length === 0) return html``;
  const rows = reasons.reduce((sum, reason) => sum + reason.rows, 0);
  const retryAll = post({
    action: "/retry",
    fields: { source, from: source === undefined ? undefined : "source" },
    label: "Retry all",
    name: source === undefined ? "Retry all failed rows" : `Retry all failed rows of ${source}`,
  });
  return html`<section aria-labelledby="failed">
    <div class="bar">
      <h2 id="failed">Failed rows</h2>
      ${retryAll}
    </div>
    <p class="quiet">
      ${rowsFailed(rows)} for ${reasons.length === 1 ? "one reason" : `${String(reasons.length)} reasons`}. A
      row is retried when its text changes, or when you press Retry.
    </p>
    ${reasons.map((reason) => reasonGroup(reason, post, now, source, reasons.length <= SHOWN_OPEN))}
  </section>`;
}

function reasonGroup(
  { reason, rows, failed }: FailuresOfReason,
  post: PostButton,
  now: Date,
  source: string | undefined,
  isOpen: boolean,
): Html {
  const from = source === undefined ? undefined : "source";
  const { what, address } = inParts(reason);
  const label = rows === 1 ? "Retry this row" : `Retry these ${count(rows)}`;
  const more = rows - failed.length;
  const id = `ticked-${idOf(reason)}`;
  const names = [...new Set(failed.map((row) => row.source))];
  return html`<details class="group" id="${idOf(reason)}" ${isOpen && html`open`}>
    <summary><b class="bad">${count(rows)}</b> <span>${what}</span></summary>
    <div class="bar">
      <span class="quiet">${address !== undefined && html`said by <code>${address}</code>`}</span>
      ${post({
        action: "/retry",
        fields: { source, reason, from },
        label,
        name: `${label}: ${what}`,
      })}
      ${
        failed.length > 1 &&
        post({
          action: "/retry",
          fields: { source, from, choose: "" },
          label: "Retry ticked rows",
          name: `Retry ticked rows: ${what}`,
          id,
        })
      }
    </div>
    <ul class="rows">
      ${failed.map(
        (row) =>
          html`<li>
            ${failed.length > 1 && html`<input type="checkbox" form="${id}" name="row" value="${chosenRow(row)}" aria-label="Key ${row.key} of ${row.source}" />`}
            ${rowLink(post, row.source, row.key)}
            <span class="quiet grow"
              >${source === undefined && `${row.source}, `}${row.attempts === 1 ? "1 attempt" : `${count(row.attempts)} attempts`},
              ${ago(row.failed_at, now)}</span
            >
            ${post({
              action: "/retry",
              fields: { source: row.source, key: row.key, from },
              label: "Retry",
              name: `Retry key ${row.key} of ${row.source}`,
            })}
          </li>`,
      )}
    </ul>
    ${more > 0 && html`<p class="quiet">and ${count(more)} more: <code>${invocation("failed", names.length === 1 ? ["--source", ...names] : [])}</code></p>`}
  </details>`;
}

/** What a provider says begins with its address: what went wrong is shown first. */
function inParts(reason: string): { readonly what: string; readonly address: string | undefined } {
  const { address, what } = /^(?<address>https?:\/\/\S+) (?<what>.+)$/s.exec(reason)?.groups ?? {};
  return { what: what ?? reason, address };
}

function idOf(reason: string): string {
  return `reason-${createHash("sha256").update(reason).digest("hex").slice(0, 10)}`;
}

function rowsFailed(rows: number): string {
  return rows === 1 ? "1 row failed" : `${count(rows)} rows failed`;
}
