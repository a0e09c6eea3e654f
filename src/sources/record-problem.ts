import type { Database } from "../database/connect.ts";
import { storing } from "../database/storing.ts";

/** Records why nothing is embedded for a source, or with null that all is well. */
export async function recordProblem(db: Database, sourceId: number, problem: string | null): Promise<void> {
  if (problem === null) await write(db, sourceId, null);
  else await storing(problem, (storable) => write(db, sourceId, storable));
}

async function write(db: Database, sourceId: number, problem: string | null): Promise<void> {
  await db
    .updateTable("autoembed.embedding_source")
    .set({ trouble: problem })
    .where("id", "=", sourceId)
    .where("trouble", "is distinct from", problem)
    .execute();
}
