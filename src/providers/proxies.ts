import { UsageError } from "../errors.ts";
import type { NetworkSettings } from "./provider-settings.ts";

type Proxies = NonNullable<NetworkSettings["proxy"]>;

/** @throws {UsageError} that names the variable; its value may have a password */
export function checkProxies({ https, http }: Proxies): void {
  for (const [name, value] of Object.entries({ HTTPS_PROXY: https, HTTP_PROXY: http }))
    if (value !== undefined && value !== "" && !isAddress(value))
      throw new UsageError(
        `${name} is no address of a proxy.`,
        "The name of the variable may be in lower case. An address is such as http://proxy.example.com:3128, or http://user:password@proxy.example.com:3128 with what is special in a password as %40.",
      );
}

function isAddress(value: string): boolean {
  try {
    const { protocol, hostname, username, password } = new URL(value);
    decodeURIComponent(username + password);
    return /^(https?|socks5?):$/.test(protocol) && hostname !== "";
  } catch {
    return false;
  }
}

/** It is never asked through a proxy. */
export function isThisMachine(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
}

/** The variable with the proxy for a server, where one is set; NO_PROXY may except the server all the same. */
export function proxyName({ protocol, hostname }: URL, { proxy }: NetworkSettings): string | undefined {
  if (proxy === undefined || isThisMachine(hostname)) return undefined;
  const { https, http } = proxy;
  if (protocol === "https:" && isSet(https)) return "HTTPS_PROXY";
  return isSet(http) ? "HTTP_PROXY" : undefined;
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "";
