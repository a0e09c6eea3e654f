import type { ProviderDescription } from "../providers/registry.ts";

/** What a listener says of itself in `embedding_listener.state`. */
export interface ListenerState {
  readonly providers: readonly ProviderDescription[];
  readonly in_flight: number;
  /** It embeds the questions of `autoembed.ask()`; earlier versions did not. */
  readonly answers_questions: true;
  /** It has no heartbeat and holds nothing, until a notification wakes it (`EMBED_IDLE=sleep`). */
  readonly asleep?: true;
  /** Why the day's budget lets nothing be embedded; left out while it does. */
  readonly budget: string | undefined;
}
