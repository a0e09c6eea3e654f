import type { ProviderDescription } from "../providers/registry.ts";

/** What a listener says of itself in `embedding_listener.state`. */
export interface ListenerState {
  readonly providers: readonly ProviderDescription[];
  readonly in_flight: number;
  /** Why the day's budget lets nothing be embedded; left out while it does. */
  readonly budget: string | undefined;
}
