import { isAlive } from "../../membership/alive.ts";
import type { ProviderDescription } from "../../providers/registry.ts";
import type { ListenerStatus } from "../../status/collect-status.ts";
import { formatDuration } from "../../timing/format-duration.ts";
import { brief, secondsUntil } from "./format.ts";
import { html, type Html } from "./html.ts";

const STATES = { closed: "works", throttled: "asks for fewer", open: "not answering" } as const;
const TONES = { closed: "good", throttled: "", open: "bad" } as const;

export function machinerySection(
  listeners: readonly ListenerStatus[],
  providers: readonly ProviderDescription[],
  now: Date,
): Html {
  return html`<section aria-labelledby="machinery">
    <h2 id="machinery">Providers and listeners</h2>
    <ul class="plain">
      ${providers.map((provider) => providerItem(provider, now))} ${listeners.map(listenerItem)}
    </ul>
  </section>`;
}

function providerItem(provider: ProviderDescription, now: Date): Html {
  const { backend, model, state, reason, requests_per_minute: pace, concurrency } = provider;
  const about = [
    backend,
    concurrency === 1 ? "one request at a time" : `up to ${String(concurrency)} requests at a time`,
    ...(pace === null ? [] : [`${brief(pace)} requests per minute`]),
  ];
  const next = nextTry(provider, now);
  return html`<li>
    <span class="tag ${TONES[state]}">${STATES[state]}</span> <strong>${model}</strong>
    <span class="quiet">${about.join(", ")}</span>${next !== undefined && html` <b>${next}</b>`}
    ${reason !== null && html`<br /><span class="quiet">${reason}</span>`}
  </li>`;
}

/** `next try in 12 s`; undefined of a provider that works. */
export function nextTry(
  { state, next_try_at: at }: Pick<ProviderDescription, "state" | "next_try_at">,
  now: Date,
): string | undefined {
  if (state === "closed") return undefined;
  const seconds = secondsUntil(at, now);
  return seconds === undefined ? "being tried now" : `next try in ${formatDuration(seconds)}`;
}

function listenerItem({ pid, host, version, silent_seconds: silent }: ListenerStatus): Html {
  return html`<li>
    <span class="tag ${isAlive(silent) ? "good" : "bad"}">${isAlive(silent) ? "alive" : "silent"}</span>
    <strong>listener</strong>
    <span class="quiet"
      >process ${pid} on ${host}, version ${version}, seen ${formatDuration(Math.max(0, silent))} ago</span
    >
  </li>`;
}
