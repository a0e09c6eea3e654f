import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import { cacheVectors } from "../queue/cache-unwritten.ts";
import type { LedgerModel } from "../ledger/model.ts";
import type { Source } from "../sources/source.ts";
import type { PickedText } from "./pick-texts.ts";

/** Keeps the vectors of a sample, so that no later run pays for these texts again. */
export async function keepVectors(
  db: Database,
  source: Source,
  ledgerModel: LedgerModel,
  texts: readonly PickedText[],
  vectors: VectorArray,
): Promise<void> {
  await cacheVectors(db, source, {
    rows: texts.map(({ key }, position) => ({ key, position })),
    hashes: texts.map(({ hash }) => hash),
    vectors,
    ledgerModel,
    pgvector: await findPgvector(db),
  });
}
