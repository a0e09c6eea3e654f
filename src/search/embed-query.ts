import { createHash } from "node:crypto";
import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import { findQuestion, keepQuestion } from "../ledger/questions.ts";
import type { Provider } from "../providers/provider.ts";

/** The vector of a query; of one that was asked within the last hour, without asking the provider. */
export async function embedQuery(
  db: Database,
  provider: Provider,
  query: string,
  signal: AbortSignal,
): Promise<Float32Array> {
  const hash = createHash("sha256").update(query, "utf8").digest("hex");
  const asked = await findQuestion(db, provider.queryFingerprint, hash);
  if (asked !== undefined) return asked;
  const { vectors } = await provider.embed([query], "query", signal);
  await keepQuestion(db, provider.queryFingerprint, hash, vectors, await findPgvector(db));
  return vectors.at(0);
}
