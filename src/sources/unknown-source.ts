import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { shellWord } from "../invocation.ts";
import { nearestName } from "../nearest-name.ts";

/** The error for a name that no source has. */
export async function unknownSource(db: Database, name: string): Promise<UsageError> {
  const sources = await db.selectFrom("autoembed.embedding_source").select("name").orderBy("id").execute();
  const names = sources.map((source) => source.name);
  const meant = meantName(name, names);
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
