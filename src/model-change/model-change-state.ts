import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { identifierOf } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { loadSources } from "../sources/load-sources.ts";
import { nextOf, previousOf } from "../sources/model-change-names.ts";
import { vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { unknownSource } from "../sources/unknown-source.ts";

/**
 * The state of a model change. It is stored only in the names of sources and columns, so that any process can continue
 * after another one was killed.
 *
 *   none ──prepare──▶ building ──switch──▶ switched ──finish──▶ none
 *                       │  ▲                  │
 *   none ◀──cancel──────┘  └─────rollback─────┘
 *
 * Building: `NAME@next` fills the column `VECTOR_next`. Switched: names and columns are swapped, and `NAME@previous`
 * keeps the old vectors fresh in `VECTOR_previous`.
 */
export type ModelChange =
  | { readonly state: "none"; readonly live: Source }
  | { readonly state: "building"; readonly live: Source; readonly next: Source }
  | { readonly state: "switched"; readonly live: Source; readonly previous: Source };

/** The extra columns of a model change: for the new vectors, and for the old ones after the switch. */
export const nextColumn = ({ vectorColumn }: Source): string => identifierOf(vectorColumn, "_next");
export const previousColumn = ({ vectorColumn }: Source): string => identifierOf(vectorColumn, "_previous");

/** @throws {UsageError} if there is no such source. @throws {SetupError} if it is broken. */
export async function readModelChange(db: Database, name: string): Promise<ModelChange> {
  const { usable, broken } = await loadSources(db);
  const find = (wanted: string): Source | undefined => {
    const problem = broken.find((source) => source.name === wanted)?.problem;
    if (problem !== undefined) throw new SetupError(`${wanted} is broken.`, problem);
    return usable.find((source) => source.name === wanted);
  };
  const live = find(name);
  if (live === undefined) throw await unknownSource(db, name);
  const next = find(nextOf(name));
  if (next !== undefined) return { state: "building", live, next };
  const previous = find(previousOf(name));
  return previous === undefined ? { state: "none", live } : { state: "switched", live, previous };
}

/** The state of a model change, from the sources' names alone: their table may be broken. */
export async function secondSource(
  db: Database,
  name: string,
): Promise<{ readonly state: "building" | "switched"; readonly name: string } | null> {
  const names = { [nextOf(name)]: "building", [previousOf(name)]: "switched" } as const;
  const found = await db
    .selectFrom("autoembed.embedding_source")
    .select("name")
    .where("name", "in", Object.keys(names))
    .executeTakeFirst();
  const state = found === undefined ? undefined : names[found.name];
  return found === undefined || state === undefined ? null : { state, name: found.name };
}

/** Renames a column. Part of the short transaction that locks the table. */
export async function renameColumn(
  transaction: Database,
  source: Source,
  from: string,
  to: string,
): Promise<void> {
  await sql`alter table ${vectorTableOf(source)} rename column ${sql.id(from)} to ${sql.id(to)}`.execute(
    transaction,
  );
}

/** Renames a source, points it at another column, and installs its triggers for both. */
export async function renameSource(
  transaction: Database,
  source: Source,
  name: string,
  vectorColumn: string,
): Promise<void> {
  await transaction
    .updateTable("autoembed.embedding_source")
    .set({ name, vector_column: vectorColumn })
    .where("id", "=", source.id)
    .execute();
  await sql`select autoembed.install_triggers(s) from autoembed.embedding_source s where s.id = ${source.id}`.execute(
    transaction,
  );
}
