import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { vectorIndexes } from "../search/vector-index.ts";
import type { Source } from "../sources/source.ts";
import { LONGEST_INDEXED } from "../watch/vector-column.ts";
import { viewsOver } from "./dependents.ts";
import { nextColumn, previousColumn, type ModelChange } from "./model-change-state.ts";

/**
 * What would keep the switch from being made, told before anything is paid for.
 * @param next the source of the new model, which need not be there yet.
 * @throws {SetupError} where a column has a name that the change needs, something depends on the vector's column, or its
 * index cannot be had of the new vectors.
 */
export async function refuseObstacles(
  db: Database,
  { state, live }: Pick<ModelChange, "state" | "live">,
  next: Source,
): Promise<void> {
  const { schema, table } = live.vectorTable ?? live;
  const names = state === "none" ? [nextColumn(live), previousColumn(live)] : [previousColumn(live)];
  const { rows } = await sql<{ column: string }>`
    select attname as column from pg_attribute
    where attrelid = format('%I.%I', ${schema}::text, ${table}::text)::regclass and not attisdropped
      and attname = any(${names}::text[]) order by 1`.execute(db);
  if (rows.length > 0) {
    throw new SetupError(
      `${schema}.${table} has a column ${rows.map(({ column }) => column).join(" and ")} already, and a change of the model needs the name.`,
      `What an earlier change left behind may be dropped: alter table … drop column …; else rename it.`,
    );
  }
  await viewsOver(db, live);
  await refuseTooLong(db, live, next);
}

async function refuseTooLong(
  db: Database,
  live: Source,
  { vectorType, columnDimensions, dimensions }: Source,
): Promise<void> {
  const long = columnDimensions ?? dimensions ?? 0;
  if (long <= LONGEST_INDEXED[vectorType]) return;
  const indexes = (await vectorIndexes(db, live)).map(({ name }) => name);
  if (indexes.length === 0) return;
  throw new SetupError(
    `The new vectors have ${long} dimensions, and the index of the old ones (${indexes.join(", ")}) takes at most ${LONGEST_INDEXED[vectorType]}.`,
    "Ask for fewer, where the model can shorten them (--dim 3072); or drop the index first, and search without one.",
  );
}
