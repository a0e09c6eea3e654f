import type { ProviderLimits } from "./provider.ts";
import type { OwnPrefixes } from "./roles/with-prefixes.ts";

/** What every backend needs to know. Times are milliseconds. */
export interface CommonSettings {
  /** The length that every vector must have; a probe finds it out where it is not set. */
  readonly dimensions?: number | undefined;
  /** One request, from connecting to the last byte of its answer (`EMBEDDING_TIMEOUT`). */
  readonly timeoutMs: number;
  /** Replaces single limits of the backend. */
  readonly limits?: Partial<ProviderLimits> | undefined;
  /** What is put before each text, in place of what the model's family expects. */
  readonly prefixes?: OwnPrefixes | undefined;
}

/** How to reach a provider by HTTP. */
export interface HttpSettings extends NetworkSettings {
  /** Such as `https://api.openai.com/v1` or `http://127.0.0.1:11434`. */
  readonly baseUrl: string;
  /** Extra headers; their values are secrets like the key. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The way from this machine to any server. */
export interface NetworkSettings {
  /** A PEM file of authorities to trust in addition to Node's own. */
  readonly caFile?: string | undefined;
  /** From `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. This machine itself is never asked through a proxy. */
  readonly proxy?: ProxySettings | undefined;
}

interface ProxySettings {
  readonly https?: string | undefined;
  readonly http?: string | undefined;
  /** Hosts to reach directly, with commas between. */
  readonly except?: string | undefined;
}
