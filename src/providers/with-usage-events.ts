import type { Embeddings, EmbedOptions } from "./provider.ts";
import type { Events } from "../events.ts";
import type { Embedder } from "../pipeline/source-context.ts";

/** The provider as one source sees it: within the budget, each answer told as an event with its tokens and time. */
export function withUsageEvents(
  provider: Embedder,
  source: string,
  events: Events,
  budget: { room(signal: AbortSignal): Promise<void> },
): Embedder {
  return {
    backend: provider.backend,
    model: provider.model,
    dimensions: provider.dimensions,
    limits: provider.limits,
    async embed(texts: readonly string[], signal: AbortSignal, options?: EmbedOptions): Promise<Embeddings> {
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
