import { describeSent } from "../../providers/roles/sent.ts";
import { isChunked } from "../../sources/chunked-source.ts";
import { whereVectorsAre } from "../../sources/source.ts";
import { describeStaleSource } from "../../status/describe-stale.ts";
import { sourceLabel } from "../../status/source-label.ts";
import { documentOf } from "./document.ts";
import { failuresSection } from "./failures.ts";
import { age } from "./format.ts";
import { hiddenFields, pauseButton, postButtons, rowLink, sourceAddress } from "./forms.ts";
import { html, type Html } from "./html.ts";
import type { SourceView } from "./source-data.ts";
import { numbers, progress, tags } from "./sources.ts";
import { weekSection } from "./week.ts";

interface SourcePage {
  readonly view: SourceView;
  readonly formToken: string;
  readonly notice: string | undefined;
}

export function renderSource({ view, formToken, notice }: SourcePage): string {
  const { counted, reasons, week, at } = view;
  const { name, paused } = counted;
  const post = postButtons(formToken);
  const stale =
    counted.progress === undefined ? null : describeStaleSource({ ...counted.progress, ...counted });
  const main = html`<div class="bar">
      <h1>${sourceLabel(counted)}${tags(counted)}</h1>
      ${pauseButton(post, name, paused, "source")}
    </div>
    ${counted.problem !== null && html`<p class="notice bad">${counted.problem}</p>`}
    ${stale !== null && html`<p class="notice busy">${stale}</p>`}
    <div class="panel">${progress(counted)} ${numbers(counted)}</div>
    ${failuresSection(reasons, post, at, name)} ${settingsSection(view)} ${weekSection(week)}
    ${latestSection(view, (key) => rowLink(post, name, key))} ${lookUpSection(name, formToken)}`;
  return documentOf({ title: sourceLabel(counted), at, notice, isLive: false, main });
}

function settingsSection({ source, sent, partner }: SourceView): Html {
  if (source === undefined) return html``;
  const chunks = isChunked(source) ? source.chunkSettings : undefined;
  const destination = sent?.destination ?? undefined;
  const described = destination === undefined ? undefined : describeSent(destination.sent);
  const link = partner !== undefined && html`<a href="${sourceAddress(partner)}">${partner}</a>`;
  return html`<section aria-labelledby="settings">
    <h2 id="settings">Settings</h2>
    <dl class="facts">
      ${fact("Table", html`<code>${source.schema}.${source.table}</code>`)}
      ${fact("Key", html`<code>${source.key.map((column) => column.name).join(", ")}</code>`)}
      ${fact("Text", html`<code>${source.textExpression}</code>`)}
      ${source.tenantColumn !== null && fact("Tenants, in turn", html`<code>${source.tenantColumn}</code>`)}
      ${chunks !== undefined && fact("In chunks", html`of ${chunks.chunk} ${chunks.unit}, ${chunks.overlap} of them overlap`)}
      ${chunks === undefined && fact("Vectors", html`<code>${whereVectorsAre(source)} ${vectorType(source)}</code>`)}
      ${link !== false && fact(chunks === undefined ? "Its texts are" : "Embedded as", link)}
      ${fact("Model", destination === undefined ? "not known" : html`<strong>${destination.model}</strong>, ${destination.backend}`)}
      ${fact("Texts go to", placeOf(sent))}
      ${fact("Key from", destination === undefined || destination.keys.length === 0 ? "no key is sent" : html`<code>${destination.keys.join(", ")}</code>`)}
      ${fact("Sent", described ?? "texts and questions as they are, without a prefix")}
      ${typeof sent?.problem === "string" && fact("Problem", sent.problem)}
    </dl>
  </section>`;
}

function fact(name: string, value: string | Html): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}

function vectorType({ vectorType: type, columnDimensions }: NonNullable<SourceView["source"]>): string {
  return columnDimensions === null ? type : `${type}(${String(columnDimensions)})`;
}

function placeOf(sent: SourceView["sent"]): string | Html {
  const address = sent?.destination?.address;
  if (sent === undefined || address === undefined) return "not known";
  if (address === null) return "nobody: the model runs in the listener’s process";
  return html`<code>${address}</code>${sent.host === null && ", on this machine"}`;
}

function latestSection({ source, latest, partner }: SourceView, link: (key: string) => Html): Html {
  if (source === undefined || (isChunked(source) && partner !== undefined)) return html``;
  const rows =
    latest === undefined
      ? html`<p class="quiet">They are not looked for: there are too many rows.</p>`
      : latest.length === 0
        ? html`<p class="quiet">No row has been embedded yet.</p>`
        : html`<ul class="rows panel">
            ${latest.map(
              ({ key, age_seconds: seconds }) =>
                html`<li>${link(key)} <span class="quiet grow">${age(seconds)} ago</span></li>`,
            )}
          </ul>`;
  return html`<section aria-labelledby="latest">
    <h2 id="latest">Embedded last</h2>
    ${rows}
  </section>`;
}

function lookUpSection(name: string, formToken: string): Html {
  return html`<section aria-labelledby="look-up">
    <h2 id="look-up">Look up a row</h2>
    <form method="post" action="/row" class="search">
      ${hiddenFields({ token: formToken, source: name })}
      <label class="grow"
        ><span>Key (of several columns: a JSON array of texts)</span
        ><input name="key" type="text" required maxlength="3000" autocomplete="off" spellcheck="false"
      /></label>
      <label class="check"><input type="checkbox" name="text" /> Show its text</label>
      <button class="main">Look up</button>
    </form>
  </section>`;
}
