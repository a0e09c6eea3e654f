import { rerankSettings, type RerankConfig, type RerankSettings } from "./rerank-settings.ts";

/** Where a reranker is asked: origin and path. */
export function rerankAddress({ baseUrl }: Pick<RerankSettings, "baseUrl">): string {
  const { origin, pathname } = new URL(baseUrl);
  return `${origin}${pathname.replace(/\/+$/, "")}/rerank`;
}

/** Where questions and texts of rows go when a search asks to rerank. Names of variables, never their values. */
export interface RerankDestination {
  readonly backend: string;
  /** Null where the server has but one. */
  readonly model: string | null;
  readonly address: string;
  /** The variables that hold the key. */
  readonly keys: readonly string[];
}

/** By the settings of this process, asking nobody; undefined if no reranker is configured. */
export function rerankDestinationOf(config: RerankConfig): RerankDestination | undefined {
  const settings = rerankSettings(config);
  if (settings === undefined) return undefined;
  return {
    backend: settings.backend,
    model: settings.model ?? null,
    address: rerankAddress(settings),
    keys: settings.apiKey === "" ? [] : ["RERANK_API_KEY"],
  };
}
