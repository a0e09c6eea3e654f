import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quoted } from "../database/identifier.ts";
import type { SourceSettings } from "../providers/source-settings.ts";
import { vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { explainRefusal } from "../watch/explain-refusal.ts";
import { lockWatchedTableFirst, withTableLock } from "../database/with-table-lock.ts";
import { markAsMade } from "../watch/made-by-us.ts";
import { columnType, vectorTypeFor, type VectorType } from "../watch/vector-column.ts";
import { copyColumnGrants } from "./column-grants.ts";
import { refuseObstacles } from "./obstacles.ts";
import { nextOf } from "../sources/model-change-names.ts";
import { nextColumn, secondSource } from "./model-change-state.ts";

export interface NewModel {
  readonly backend: string | null;
  readonly model: string | null;
  readonly dimensions: number;
  readonly settings: SourceSettings;
}

/** The source that the new model will have, before it exists. */
export function plannedSource(live: Source, model: NewModel): Source {
  return {
    ...live,
    name: nextOf(live.name),
    backend: model.backend,
    model: model.model,
    dimensions: model.dimensions,
    settings: model.settings,
    vectorType: nextType(live, model.dimensions),
    columnDimensions: model.dimensions,
    paused: false,
  };
}

/** The type that HNSW can index; a `halfvec` stays one where a `vector` would have done: somebody chose it. */
function nextType({ vectorType, columnDimensions }: Source, dimensions: number): VectorType {
  const isChosen = vectorType === "halfvec" && vectorTypeFor(columnDimensions ?? 1) === "vector";
  return isChosen ? "halfvec" : vectorTypeFor(dimensions);
}

/**
 * Adds the second column and the second source: from now on both models' vectors follow every change. Does nothing if
 * another process has just done so.
 */
export async function prepare(db: Database, live: Source, model: NewModel): Promise<void> {
  const column = {
    name: nextColumn(live),
    type: nextType(live, model.dimensions),
    dimensions: model.dimensions,
  };
  await withTableLock(db, async (transaction) => {
    // One process at a time: a second one waits here, and then finds the first one's source.
    await sql`select from autoembed.embedding_source where id = ${live.id} for update`.execute(transaction);
    if ((await secondSource(transaction, live.name)) !== null) return;
    await refuseObstacles(transaction, { state: "none", live }, plannedSource(live, model));
    // As the switch will have it: another table's source may fill the column in rows that both tables have.
    await sql`select autoembed.check_receiver_is_free(jsonb_populate_record(s, ${JSON.stringify(model)}::jsonb))
      from autoembed.embedding_source s where s.id = ${live.id}`.execute(transaction);
    if (live.vectorTable !== null) await lockWatchedTableFirst(transaction, live, "share row exclusive");
    await sql`alter table ${vectorTableOf(live)} add column ${sql.id(column.name)} ${await columnType(transaction, column)}`.execute(
      transaction,
    );
    const { schema, table } = live.vectorTable ?? live;
    await markAsMade(transaction, "column", sql.id(schema, table, column.name), "the vector by a new model.");
    await copyColumnGrants(transaction, live, column.name);
    await sql`select autoembed.watch(
        watched_table => ${quoted(live)}::regclass,
        text_expression => ${live.textExpression},
        key_columns => ${live.key.map(({ name }) => name)}::text[],
        vector_column => ${column.name},
        source_name => ${nextOf(live.name)},
        backend => ${model.backend},
        model => ${model.model},
        dimensions => ${model.dimensions}::int,
        settings => ${JSON.stringify(model.settings)}::jsonb,
        vector_table => ${live.vectorTable?.oid ?? null}::oid::regclass,
        tenant => ${live.tenantColumn})`.execute(transaction);
  }).catch((error: unknown) => {
    throw explainRefusal(error, `add the column of the new model for ${live.schema}.${live.table}`);
  });
}
