import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";

/** The error for a name that no source has. */
export async function unknownSource(db: Database, name: string): Promise<UsageError> {
  const sources = await db.selectFrom("autoembed.embedding_source").select("name").orderBy("id").execute();
  return new UsageError(
    `No source is called ${JSON.stringify(name)}.`,
    `Sources: ${sources.map((source) => source.name).join(", ") || "none"}.`,
  );
}
