import { createHash } from "node:crypto";
import type { Backend } from "./backend.ts";
import type { Provider } from "./provider.ts";
import type { Role } from "./roles/role.ts";
import type { PrefixedBackend } from "./roles/with-prefixes.ts";

/**
 * All that decides what a provider's vectors of texts in a role are: vectors under one fingerprint may stand in for one
 * another. Such as `llm_api/text-embedding-3-small@1536 https://api.openai.com/v1/embeddings`. No key and no header is in
 * it; further settings and the prefix are, as a hash.
 */
export function fingerprintOf(
  backend: Pick<Backend, "name" | "model" | "address" | "shape">,
  role: Role,
  dimensions: number,
): string {
  const { name, model, address, shape } = backend;
  const settings = Object.entries(shape?.[role] ?? {}).filter(([, value]) => value !== undefined);
  return [
    `${name}/${model}@${String(dimensions)}`,
    ...(address === undefined ? [] : [address]),
    ...(settings.length === 0 ? [] : [`#${hashOf(settings)}`]),
  ].join(" ");
}

/**
 * What version 0.1, which knew neither prefixes nor fields of a role, called vectors of rows: the model alone. A source
 * with an address of its own takes none of them, since they may be of the environment's.
 */
export function earlierNameOf(
  { name, model, prefixes, addsFields, hasOwnAddress }: Omit<PrefixedBackend, "ask" | "close">,
  dimensions: number,
): string | undefined {
  return prefixes.document !== "" || addsFields === true || hasOwnAddress === true
    ? undefined
    : `${name}/${model}@${String(dimensions)}`;
}

type Named = Pick<Provider, "fingerprint" | "earlierName">;

/** A provider as the ledger names it: the texts of rows may be cut to the longest that the model takes. */
export function rowModel(
  { fingerprint, earlierName, limits }: Named & Pick<Provider, "limits">,
  onTooLong: "fail" | "truncate",
): Named {
  const cut = onTooLong === "truncate" ? ` cut to ${String(limits.textCharacters)}` : "";
  return { fingerprint: fingerprint + cut, earlierName };
}

function hashOf(settings: readonly (readonly [string, unknown])[]): string {
  const sorted = settings.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 12);
}
