import type { Lending } from "../../src/ledger/lending.ts";
import type { Source } from "../../src/sources/source.ts";

/** The lending of a source that no other lends to, with a model that has made nothing, or that of a name. */
export function lendingOf(source: Source, fingerprint = "none", id = 0): Lending {
  return {
    model: { fingerprint, id, lenderIds: [id], cacheNames: [fingerprint] },
    sources: () => [source],
  };
}
