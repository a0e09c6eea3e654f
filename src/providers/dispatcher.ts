import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { EnvHttpProxyAgent, Pool, type Dispatcher } from "undici";
import { ProviderError } from "./provider-error.ts";
import { openProxyConnections } from "./proxy-connections.ts";
import type { HttpSettings } from "./provider-settings.ts";
import { checkProxies, isThisMachine } from "./proxies.ts";

const CONNECT_MS = 10_000;
/** Longer than the gap between two batches, shorter than the minute after which most load balancers close a connection. */
const KEEP_ALIVE_MS = 30_000;

/** In bytes. Proxies add headers of their own; 16 kB is what undici takes. */
export const LONGEST_HEADERS = 64 * 1024;

/** Pooled, kept-alive connections to one server, through the proxy that the settings name. */
export function openDispatcher(
  url: URL,
  settings: HttpSettings & { readonly timeoutMs: number },
): Dispatcher {
  const connectMs = Math.min(CONNECT_MS, settings.timeoutMs);
  const options = {
    headersTimeout: settings.timeoutMs,
    bodyTimeout: settings.timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: LONGEST_HEADERS,
    connect: {
      timeout: connectMs,
      ...(settings.caFile === undefined ? {} : { ca: authorities(settings.caFile) }),
    },
  };
  const { proxy } = settings;
  if (proxy === undefined || isThisMachine(url.hostname)) return new Pool(url.origin, options);
  checkProxies(proxy);
  return new EnvHttpProxyAgent({
    ...options,
    requestTls: options.connect,
    proxyTls: options.connect,
    httpProxy: proxy.http ?? "",
    httpsProxy: proxy.https ?? "",
    noProxy: proxy.except ?? "",
    clientFactory: (origin, ofProxy) => openProxyConnections(origin, ofProxy, connectMs),
  });
}

/** Node's own authorities and those of a file. @throws {ProviderError} where it cannot be read */
export function authorities(file: string): string[] {
  try {
    return [...rootCertificates, readFileSync(file, "utf8")];
  } catch (error) {
    throw new ProviderError("setup", `EMBED_CA_FILE: ${file} cannot be read.`, { cause: error });
  }
}
