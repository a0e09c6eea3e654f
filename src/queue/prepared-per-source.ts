import { CompiledQuery, type RawBuilder } from "kysely";
import { PREPARED, type Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

export type PreparedPerSource<Row> = (
  db: Database,
  source: Source,
  parameters: readonly unknown[],
) => Promise<Row[]>;

/**
 * A statement whose text depends on the source alone: built once per source, and parsed by Postgres once per session. Its
 * parameters are numbered by hand, so that one of a megabyte can be used twice and is sent once.
 * @param build makes its text, with `$1`, `$2`, … and no values bound by the template.
 */
export function preparedPerSource<Row>(
  build: (source: Source) => RawBuilder<unknown>,
): PreparedPerSource<Row> {
  const texts = new WeakMap<Source, string>();
  return async (db, source, parameters) => {
    const text = texts.get(source) ?? compile(db, build(source));
    texts.set(source, text);
    const { rows } = await db.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]));
    return rows;
  };
}

function compile(db: Database, statement: RawBuilder<unknown>): string {
  const { sql: text, parameters } = statement.compile(db);
  if (parameters.length > 0) throw new Error("a statement of a source binds its values by number");
  return PREPARED + text;
}
