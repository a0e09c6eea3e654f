import type { Events } from "../events.ts";
import { ProviderError } from "./provider-error.ts";
import type { Provider } from "./provider.ts";

/** A provider whose every request, retries included, is told as an event. */
export function withRequestEvents(provider: Provider, events: Events): Provider {
  const { backend, model } = provider;
  return {
    backend,
    model,
    dimensions: provider.dimensions,
    get limits() {
      return provider.limits;
    },
    async embed(texts, signal, options) {
      const started = performance.now();
      const tell = (outcome: "ok" | "aborted" | ProviderError["fault"]) =>
        events.emit("requested", { backend, model, outcome, milliseconds: performance.now() - started });
      try {
        const answer = await provider.embed(texts, signal, options);
        tell("ok");
        return answer;
      } catch (error) {
        tell(error instanceof ProviderError ? error.fault : "aborted");
        throw error;
      }
    },
    ready: (signal) => provider.ready(signal),
    close: () => provider.close(),
  };
}
