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

/** @throws {UsageError} if no source has that name; one whose table is broken has it too. */
export async function requireSource(db: Database, name: string): Promise<void> {
  const found = await db
    .selectFrom("autoembed.embedding_source")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  if (found === undefined) throw await unknownSource(db, name);
}
