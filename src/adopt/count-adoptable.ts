import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import { whereVectorsAre, type Source } from "../sources/source.ts";

/** Rows, or chunks of the other tool. */
export interface AdoptableRows {
  /** They have a text and a vector of it, as far as is known. */
  readonly withVector: number;
  /** They have a vector that is known to be of an old text: they are queued. */
  readonly outdated: number;
  /** They have a text and no vector: a backfill embeds them. */
  readonly withoutVector: number;
}

/** Counts what can be taken over. @throws {SetupError} if the column has vectors of several lengths */
export async function countAdoptable(
  db: Database,
  source: Source,
  outdated: RawBuilder<unknown>,
): Promise<AdoptableRows> {
  await refuseSeveralLengths(db, source);
  return await withPerRowFallback(source, async (source) => {
    const { rows } = await sql<AdoptableRows>`
      with outdated as materialized (select distinct o.key from (${outdated}) o)
      select (count(*) filter (where has_vector and not is_outdated))::float8 as "withVector",
        (count(*) filter (where has_vector and is_outdated))::float8 as outdated,
        (count(*) filter (where not has_vector))::float8 as "withoutVector"
      from (
        select t.vector is not null as has_vector,
          ${queueKey(source, "t")} in (select o.key from outdated o) as is_outdated
        from ${rowsWithVectors(source)} t where ${hasText("t")}) t`.execute(db);
    return rows[0] ?? { withVector: 0, outdated: 0, withoutVector: 0 };
  });
}

/** A column that takes vectors of any length may have those of several models. */
async function refuseSeveralLengths(db: Database, source: Source): Promise<void> {
  if (source.columnDimensions !== null || source.vectorTable !== null) return;
  const { rows } = await sql<{ dimensions: number; rows: number }>`
    select ${sql.id(source.vectorSchema, "vector_dims")}(t.vector) as dimensions, count(*)::float8 as rows
    from ${rowsWithVectors(source)} t where t.vector is not null group by 1 order by 2 desc`.execute(db);
  if (rows.length <= 1) return;
  const lengths = rows.map((row) => `${row.rows} of ${row.dimensions} dimensions`).join(", ");
  throw new SetupError(
    `${whereVectorsAre(source)} has vectors of several models: ${lengths}.`,
    "One source has one model. Move the rows of each model to a table of their own, and adopt each.",
  );
}
