import type { Database } from "../database/connect.ts";

/** Records why nothing is embedded for a source; null when all is well. */
export async function recordProblem(db: Database, sourceId: number, trouble: string | null): Promise<void> {
  await db
    .updateTable("autoembed.embedding_source")
    .set({ trouble })
    .where("id", "=", sourceId)
    .where("trouble", "is distinct from", trouble)
    .execute();
}
