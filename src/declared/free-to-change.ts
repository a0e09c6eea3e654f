import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { backendOf } from "../providers/known-backends.ts";
import type { PresentSource } from "./present-source.ts";
import type { WantedSource } from "./wanted-source.ts";

/** Another model costs nothing where no row has a vector yet, and the column takes the new ones: `watch` changes it. */
export async function isFreeToChange(
  db: Database,
  config: Config,
  { overrides }: WantedSource,
  present: PresentSource,
): Promise<boolean> {
  const { columnDimensions } = present;
  const { backend, model, dimensions } = overrides;
  const made =
    dimensions ??
    (backend === null && model === null ? config.EMBEDDING_DIM : undefined) ??
    backendOf(backend ?? config.EMBEDDING_BACKEND).dimensions;
  const fits = columnDimensions === null || made === columnDimensions;
  return fits && present.modelChange === null && (await isEmpty(db, present));
}

async function isEmpty(db: Database, { table, into, vector }: PresentSource): Promise<boolean> {
  const holder = into ?? table;
  if (holder === null || holder === "dropped") return true;
  const { rows } = await sql`
    select from ${sql.id(holder.schema, holder.table)} where ${sql.id(vector)} is not null limit 1`.execute(
    db,
  );
  return rows.length === 0;
}
