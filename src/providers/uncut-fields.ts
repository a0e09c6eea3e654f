import type { Fields } from "./roles/role.ts";

/** Services that speak OpenAI's request and cut a text that is too long in silence, unless this field is sent. */
const SERVICES: readonly { readonly host: RegExp; readonly fields: Fields }[] = [
  { host: /^(?:api\.voyageai\.com|ai\.mongodb\.com)$/, fields: { truncation: false } },
  { host: /^integrate\.api\.nvidia\.com$/, fields: { truncate: "NONE" } },
];

/** The fields by which the service at an address refuses a text that is too long: `EMBED_ON_TOO_LONG` decides then. */
export function uncutFields(baseUrl: string): Fields {
  const { hostname } = new URL(baseUrl);
  return SERVICES.find(({ host }) => host.test(hostname))?.fields ?? {};
}
