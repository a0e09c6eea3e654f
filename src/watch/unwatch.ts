import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { loadSources } from "../sources/load-sources.ts";
import { liveOf } from "../sources/model-change-names.ts";
import { unknownSource } from "../sources/unknown-source.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { withTableLock } from "../database/with-table-lock.ts";

/**
 * Stops watching a source; also the chunks of its texts, and a model change that is under way. The table, its texts and
 * its vectors stay as they are.
 * @throws {UsageError} if no source has that name.
 */
export async function unwatch(db: Database, name: string): Promise<void> {
  const { usable, chunked } = await loadSources(db);
  const named = usable.find((source) => source.name === name);
  const chunkedSource = chunked.find(({ embeddedBy }) => embeddedBy === named?.id);
  if (chunkedSource !== undefined) {
    throw new UsageError(
      `${name} embeds the chunks of ${chunkedSource.name}, and both are watched together.`,
      `Unwatch both: ${invocation("unwatch", [chunkedSource.name])}`,
    );
  }
  const changed = liveOf(name);
  if (changed !== undefined && (await isWatched(db, changed))) {
    throw new UsageError(
      `${name} belongs to a model change of ${changed}.`,
      `End the model change: ${invocation("remodel", [changed, "--finish"])}, or --cancel before the switch.`,
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
