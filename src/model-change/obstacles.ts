import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { IndexKind } from "../search/index-kind.ts";
import { indexKindOf } from "../search/index-shape.ts";
import { vectorIndexes } from "../search/vector-index.ts";
import type { Source } from "../sources/source.ts";
import { LONGEST_INDEXED } from "../watch/vector-column.ts";
import { viewsOver } from "./dependents.ts";
import { nextColumn, previousColumn, type ModelChange } from "./model-change-state.ts";

/**
 * Refuses a model change whose switch would fail, before anything is paid for.
 * @param next the source of the new model, which need not exist yet.
 * @throws {SetupError} if a column has a name that the change needs, if an object depends on the vector column that
 * cannot follow, or if the new vectors are too long for the old column's index.
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
      `${schema}.${table} already has a column ${rows.map(({ column }) => column).join(" and ")}, and a model change needs the name.`,
      "If an earlier model change left it behind, drop it: alter table … drop column …; otherwise rename it.",
    );
  }
  await viewsOver(db, live);
  await refuseTooLong(db, live, next);
}

async function refuseTooLong(db: Database, live: Source, next: Source): Promise<void> {
  const dimensions = next.columnDimensions ?? next.dimensions ?? 0;
  const longest = LONGEST_INDEXED[next.vectorType];
  const indexes = await vectorIndexes(db, live);
  const long = dimensions <= longest ? [] : indexes.filter((index) => isOfWhole(indexKindOf(live, index)));
  if (long.length === 0) return;
  throw new SetupError(
    `The new vectors have ${dimensions} dimensions, and the index of the old ones (${long.map(({ name }) => name).join(", ")}) takes at most ${longest}.`,
    "Ask for fewer dimensions, if the model can shorten its vectors (--dim 3072). Or drop the index first, and search without one.",
  );
}

/** An index of signs, or of the first numbers, takes vectors of any length. */
function isOfWhole(kind: IndexKind | undefined): boolean {
  return kind?.kind !== "binary" && kind?.kind !== "prefix";
}
