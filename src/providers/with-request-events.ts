import { around } from "./around.ts";
import type { Events } from "../events.ts";
import { ProviderError } from "./provider-error.ts";
import type { Provider } from "./provider.ts";

/** A provider that emits an event per request, retries included. */
export function withRequestEvents(provider: Provider, events: Events): Provider {
  const { backend, model } = provider;
  return around(provider, {
    async embed(texts, role, signal, options) {
      const started = performance.now();
      const report = (outcome: "ok" | "aborted" | ProviderError["kind"]) =>
        events.emit("requested", { backend, model, outcome, milliseconds: performance.now() - started });
      try {
        const answer = await provider.embed(texts, role, signal, options);
        report("ok");
        return answer;
      } catch (error) {
        report(error instanceof ProviderError ? error.kind : "aborted");
        throw error;
      }
    },
  });
}
