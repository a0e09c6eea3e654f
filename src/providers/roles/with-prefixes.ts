import type { Backend } from "../backend.ts";
import type { BatchApi } from "../batch/batch-api.ts";
import { familyPrefixes } from "./model-families.ts";
import type { Fields, PerRole, Role } from "./role.ts";

/** The prefixes that settings give; those of the model's family where they give none. Empty: no prefix. */
export type OwnPrefixes = Partial<Readonly<Record<Role, string | undefined>>>;

/** A backend that puts the prefix of its role before each text. */
export interface PrefixedBackend extends Backend {
  readonly shape: PerRole<Fields>;
  readonly prefixes: PerRole<string>;
}

/**
 * Puts before each text what the model expects there in that role. A provider that is told the role by a field of the
 * request puts it there itself, so the model's family is not looked at.
 */
export function withPrefixes(backend: Backend, own: OwnPrefixes = {}): PrefixedBackend {
  const { name, model, address, parameters, roleFields, limits } = backend;
  const family = roleFields === undefined ? familyPrefixes(model) : undefined;
  const prefixes = {
    document: own.document ?? family?.document ?? "",
    query: own.query ?? family?.query ?? "",
  };
  const { length } = prefixes.document;
  return {
    name,
    model,
    ...(address === undefined ? {} : { address }),
    ...(roleFields === undefined ? {} : { roleFields }),
    addsFields: backend.addsFields ?? false,
    hasOwnAddress: backend.hasOwnAddress ?? false,
    limits: {
      ...limits,
      textCharacters: Math.max(1, limits.textCharacters - length),
      ...(length === 0 ? {} : { prefixCharacters: length }),
    },
    shape: {
      document: { ...backend.shape?.document, ...parameters, ...inShape(prefixes.document) },
      query: { ...backend.shape?.query, ...parameters, ...inShape(prefixes.query) },
    },
    prefixes,
    ask: (texts, role, signal, onReceived, stopping) => {
      const prefix = prefixes[role];
      const sent = prefix === "" ? texts : texts.map((text) => prefix + text);
      return backend.ask(sent, role, signal, onReceived, stopping);
    },
    ...(backend.batchOffer === undefined ? {} : { batchOffer: backend.batchOffer }),
    ...(backend.batches === undefined ? {} : { batches: prefixed(backend.batches, prefixes.document) }),
    close: () => backend.close(),
  };
}

function prefixed(open: () => BatchApi, prefix: string): () => BatchApi {
  return () => {
    const api = open();
    const line = api.line.bind(api);
    return Object.assign(api, { line: (n: number, text: string) => line(n, prefix + text) });
  };
}

/** Without a prefix the fingerprint is the one that the model had before there were prefixes. */
function inShape(prefix: string): Fields {
  return prefix === "" ? {} : { "before each text": prefix };
}
