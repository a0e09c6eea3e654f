import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { loadSources } from "../sources/load-sources.ts";
import { unknownSource } from "../sources/unknown-source.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { withTableLock } from "../database/with-table-lock.ts";

/**
 * Stops watching; with a text in passages, those too, and a change of the model that is under way. The table, its texts and its vectors stay as they are.
 * @throws {UsageError} where no source has that name.
 */
export async function unwatch(db: Database, name: string): Promise<void> {
  const { usable, chunked } = await loadSources(db);
  const passages = usable.find((source) => source.name === name);
  const chunkedSource = chunked.find(({ embeddedBy }) => embeddedBy === passages?.id);
  if (chunkedSource !== undefined) {
    throw new UsageError(
      `${name} embeds the passages of ${chunkedSource.name}, and is watched with it.`,
      `Both: npm run unwatch -- ${chunkedSource.name}`,
    );
  }
  const [, changed] = /^(.+)@(?:next|previous)$/.exec(name) ?? [];
  if (changed !== undefined && (await isWatched(db, changed))) {
    throw new UsageError(
      `${name} belongs to a change of the model of ${changed}.`,
      `End that: npm run remodel -- ${changed} --finish, or --cancel before its switch.`,
    );
  }
  const watched = await withTableLock(db, async (transaction) => {
    const { rows } = await sql<{ found: boolean }>`select autoembed.unwatch(${name}) as found`.execute(
      transaction,
    );
    return rows[0]?.found === true;
  }).catch((error: unknown) => {
    throw explainRefusal(error, "unwatch");
  });
  if (!watched) throw await unknownSource(db, name);
}

async function isWatched(db: Database, name: string): Promise<boolean> {
  const found = await db
    .selectFrom("autoembed.embedding_source")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  return found !== undefined;
}
