import type { Events } from "../events.ts";
import type { Provider } from "./provider.ts";

/** Waits while the day's tokens are used up. */
export interface Budget {
  room(signal: AbortSignal): Promise<void>;
}

/** The provider as one source sees it: within the budget, with an event per answer that has its tokens and its time. */
export function withUsageEvents(
  provider: Provider,
  source: string,
  events: Events,
  budget: Budget,
): Provider {
  return {
    backend: provider.backend,
    model: provider.model,
    dimensions: provider.dimensions,
    fingerprint: provider.fingerprint,
    limits: provider.limits,
    async embed(texts, signal, options) {
      const started = performance.now();
      const answer = await provider.embed(texts, signal, options);
      const milliseconds = performance.now() - started;
      events.emit("answered", { source, texts: texts.length, tokens: answer.tokens, milliseconds });
      return answer;
    },
    async ready(signal) {
      await budget.room(signal);
      await provider.ready(signal);
    },
    close: () => provider.close(),
  };
}
