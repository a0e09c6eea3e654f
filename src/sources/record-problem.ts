import type { Database } from "../database/connect.ts";

/** Records why nothing is embedded for a source, or with null that all is well. */
export async function recordProblem(db: Database, sourceId: number, problem: string | null): Promise<void> {
  await db
    .updateTable("autoembed.embedding_source")
    .set({ trouble: problem })
    .where("id", "=", sourceId)
    .where("trouble", "is distinct from", problem)
    .execute();
}
