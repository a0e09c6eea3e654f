import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { shellWord } from "../invocation.ts";
import { nearestName } from "../nearest-name.ts";

/** The error for a name that no source has. */
export async function unknownSource(db: Database, name: string): Promise<UsageError> {
  const { rows: sources } = await sql<{ name: string; hasChunks: boolean }>`
    select s.name, exists (select from autoembed.embedding_source p where p.passages is not null
      and p.vector_table = s.watched_table and p.vector_column = s.vector_column) as "hasChunks"
    from autoembed.embedding_source s order by s.id`.execute(db);
  const meant = meantName(
    name,
    sources.map((source) => source.name),
  );
  // A text in chunks has one name for both.
  const names = sources.filter(({ hasChunks }) => !hasChunks).map((source) => source.name);
  return new UsageError(
    `No source is called ${JSON.stringify(name)}${meant === undefined ? "." : `; did you mean ${shellWord(meant)}?`}`,
    `Sources: ${names.map(shellWord).join(", ") || "none"}.`,
  );
}

/** Also one that was named without its schema, or with `public`. */
function meantName(given: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.replaceAll('"', "").toLowerCase();
  const ofTable = names.filter(
    (name) => plain(name).endsWith(`.${plain(given)}`) || plain(given) === `public.${plain(name)}`,
  );
  return ofTable.length === 1 ? ofTable[0] : nearestName(given, names);
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
