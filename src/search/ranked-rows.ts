import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from "kysely";
import type { Source } from "../sources/source.ts";
import type { Hit } from "./search-options.ts";

/** A statement with `$1` and its value. */
export interface CompiledSearch {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

const compiler = new Kysely<unknown>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/**
 * The ranked rows as a statement: the columns of the key, under their names and in their types, `score`, `distance`, `place`.
 * Its one parameter is a text, which every driver and ORM binds alike: lists of numbers they do not.
 */
export function rankedRows({ key }: Source, hits: readonly Hit<unknown>[]): CompiledSearch {
  const columns = key.map(({ name, type }, i) => {
    const text = key.length === 1 ? sql`r.key` : sql`(r.key::jsonb ->> ${sql.lit(i)})`;
    return sql`${text}::${sql.raw(type)} as ${sql.id(name)}`;
  });
  const rows = hits.map((hit, i) => ({
    key: hit.key,
    score: hit.score,
    distance: hit.distance,
    place: i + 1,
  }));
  const ranked = sql`json_to_recordset(${JSON.stringify(rows)}::text::json)
    as r(key text, score float8, distance float8, place int)`;
  const compiled =
    sql`select ${sql.join(columns)}, r.score, r.distance, r.place from ${ranked} order by r.place`.compile(
      compiler,
    );
  return { sql: compiled.sql, parameters: compiled.parameters };
}
