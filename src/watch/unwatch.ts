import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { patiently } from "./patiently.ts";

/**
 * Stops watching. The table, its texts and its vectors stay as they are.
 * @throws {UsageError} where no source has that name.
 */
export async function unwatch(db: Database, name: string): Promise<void> {
  const watched = await patiently(db, async (transaction) => {
    const { rows } = await sql<{ found: boolean }>`select embed_unwatch(${name}) as found`.execute(
      transaction,
    );
    return rows[0]?.found === true;
  }).catch((error: unknown) => {
    throw explainRefusal(error, "unwatch");
  });
  if (watched) return;
  const sources = await db.selectFrom("embedding_source").select("name").orderBy("id").execute();
  throw new UsageError(
    `No source is called ${JSON.stringify(name)}.`,
    `Sources: ${sources.map((source) => source.name).join(", ") || "none"}.`,
  );
}
