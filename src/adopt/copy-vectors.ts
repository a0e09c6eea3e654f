import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isAfter, isUpTo, type KeyTexts } from "../sources/key-order.ts";
import { hasText, isSameRow, keysOf, vectorTableOf, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { Kept } from "./found.ts";

/**
 * Copies the other tool's vectors of a range of rows into the table of ours, where a row still has the text that its vector
 * is of. A row that has a vector of ours already keeps it. One that a user holds gets none: its text may be about to change.
 */
export async function copyVectors(
  db: Database,
  source: Source,
  kept: Extract<Kept, { as: "copy" }>,
  { after, upto }: { readonly after: KeyTexts | null; readonly upto: KeyTexts },
): Promise<void> {
  const keys = sql.join(source.key.map((column) => sql.id(column.name)));
  const named = sql.join(source.key.map((column, i) => sql`${sql.id(column.name)} as ${sql.id(`k${i}`)}`));
  await sql`
    insert into ${vectorTableOf(source)} (${keys}, ${sql.id(source.vectorColumn)})
    select ${keysOf(source, "t")}, v.vector from ${watchedRows(source)} t
    join (
      select ${named}, ${sql.id(kept.column)} as vector, ${sql.id(kept.ofText)} as of_text
      from ${sql.id(kept.from.schema, kept.from.table)}
    ) v on ${isSameRow(source, "v", "t")}
    where ${after === null ? sql`true` : isAfter(source, "t", after)} and ${isUpTo(source, "t", upto)}
      and ${hasText("t")} and v.of_text = t.content
    for no key update of t skip locked
    on conflict do nothing`.execute(db);
}
