import { sql, type RawBuilder } from "kysely";
import { quoted, type TableName } from "../database/identifier.ts";
import { vectorName, vectorOperator } from "../database/pgvector.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import type { KeyColumn, Source } from "./source.ts";

/** The watched table, qualified and quoted. */
export function tableOf(source: Source): RawBuilder<unknown> {
  return sql`${sql.id(source.schema, source.table)}`;
}

/** The table that has the vector's column: the watched one, or the vectors' own. */
export function vectorTableOf(source: Source): RawBuilder<unknown> {
  const { schema, table } = source.vectorTable ?? source;
  return sql`${sql.id(schema, table)}`;
}

/**
 * The watched rows as `(k0, k1, …, content, fault, ctid)`: the key's columns, the text, the SQLSTATE of a text that cannot
 * be computed (if the source evaluates per row), and the `ctid`. A subquery, so that the names of the user's columns cannot
 * collide with ours; Postgres folds it into the statement around it, locks included.
 *
 * From the first of them on, functions in the text's expression and the triggers of the table find what their role does.
 */
export function watchedRows(source: Source): RawBuilder<unknown> {
  return sql`(select ${keyNames(source)}, ${textOf(source)}, ctid from ${tableOf(source)} where ${asRole})`;
}

/** The keys of the watched rows as `(k0, k1, …)`. Evaluates no text. */
export function watchedKeys(source: Source): RawBuilder<unknown> {
  return sql`(select ${keyNames(source)} from ${tableOf(source)})`;
}

/** True. Evaluated once, and before anything of the user's. */
const asRole = sql`(select ${roleSearchPath} is not null)`;

/** The columns `content` and `fault`. */
function textOf(source: Source): RawBuilder<unknown> {
  const fault = source.evaluatesPerRow === undefined ? sql`null::text` : sql`${triedText(source)}[2]`;
  return sql`${contentOf(source)} as content, ${fault} as fault`;
}

/**
 * The text, over the columns of the watched table. The column's own collation is not used: it may be one that regular
 * expressions do not support, or one that holds two different texts for equal.
 */
export function contentOf(source: Source): RawBuilder<unknown> {
  return source.evaluatesPerRow === undefined
    ? sql`(${sql.raw(source.textExpression)})::text collate "default"`
    : sql`${triedText(source)}[1]`;
}

/** The text, and the SQLSTATE of one that cannot be computed. */
function triedText({ table, textExpression }: Source): RawBuilder<unknown> {
  return sql`(autoembed.evaluate_text(${sql.id(table)}.*, ${sql.lit(textExpression)}, ${sql.lit(table)}))`;
}

/**
 * The watched texts as `(k0, k1, …, content, fault)`, to be read.
 * @param condition over the watched table's own columns
 * @param more further columns, each after a comma
 */
export function watchedTexts(
  source: Source,
  condition: RawBuilder<unknown> = sql`true`,
  more: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  // A plain column runs nothing of the user's, and its table can be read by parallel workers, which may set nothing.
  const role = source.textIsColumn ? sql`true` : asRole;
  return sql`(select ${keyNames(source)}, ${textOf(source)} ${more} from ${tableOf(source)} where ${role} and ${condition})`;
}

/**
 * `watchedTexts` with the `vector` of each, null where there is none. In a query for rows whose vector is not null, Postgres
 * can start from the vectors' own table.
 */
export function rowsWithVectors(source: Source): RawBuilder<unknown> {
  if (source.hasNoVectors === true)
    return sql`(select w.*, null::${vectorType(source)} as vector from ${watchedTexts(source)} w)`;
  const vector = sql`${sql.id(source.vectorColumn)} as vector`;
  if (source.vectorTable === null) {
    const role = source.textIsColumn ? sql`` : sql`where ${asRole}`;
    return sql`(select ${keyNames(source)}, ${textOf(source)}, ${vector} from ${tableOf(source)} ${role})`;
  }
  return sql`(select w.*, v.vector from ${watchedTexts(source)} w
    left join ${vectorRows(source)} v on ${isSameRow(source, "v", "w")})`;
}

/** The vectors as `(k0, k1, …, vector)`, wherever they are kept. */
export function vectorRows(source: Source): RawBuilder<unknown> {
  return sql`(select ${keyNames(source)}, ${sql.id(source.vectorColumn)} as vector from ${vectorTableOf(source)})`;
}

/** The chunks of a text as `(k0, k1, …, passage_id)`: the key of the text, and of the chunk. */
export function chunkRows(source: Source): RawBuilder<unknown> {
  return sql`(select ${keyNames(source)}, passage_id from ${vectorTableOf(source)})`;
}

/** The key's columns, named `k0, k1, …`. */
function keyNames(source: Source): RawBuilder<unknown> {
  return sql.join(source.key.map((column, i) => sql`${sql.id(column.name)} as ${sql.id(`k${i}`)}`));
}

/** `k0, k1, …` of `alias`. */
export function keysOf(source: Source, alias: string): RawBuilder<unknown> {
  return sql.join(source.key.map((_, i) => sql.ref(`${alias}.k${i}`)));
}

/** The watched row `row` is the one that the queue's `key` of `queued` names. */
export function keyMatches(source: Source, row: string, queued: string): RawBuilder<unknown> {
  const key = sql.ref(`${queued}.key`);
  return and(
    source.key.map((column, i) => {
      const text = source.key.length === 1 ? key : sql`(${key}::jsonb ->> ${sql.lit(i)})`;
      return isKey(source, column, sql.ref(`${row}.k${i}`), sql`${text}::${sql.raw(column.type)}`);
    }),
  );
}

/** The row of `target`, which is the watched table or the vectors', has the keys `k0, k1, …` of `held`. */
export function isHeldRow(source: Source, target: string, held: string): RawBuilder<unknown> {
  return and(
    source.key.map((column, i) =>
      isKey(source, column, sql.id(target, column.name), sql.ref(`${held}.k${i}`)),
    ),
  );
}

/** Two rows with the keys `k0, k1, …` are the same row. */
export function isSameRow(source: Source, a: string, b: string): RawBuilder<unknown> {
  return and(
    source.key.map(
      (column, i) => sql`${sql.ref(`${a}.k${i}`)} ${keyOperator(column, "=")} ${sql.ref(`${b}.k${i}`)}`,
    ),
  );
}

export type Sign = "=" | "<" | "<=" | ">" | ">=" | "~~" | "~~*";

/** An operator of a column's own type: `citext` compares by one that is not in pg_catalog. */
export function keyOperator({ operators }: KeyColumn, operator: Sign): RawBuilder<unknown> {
  return operators === "pg_catalog"
    ? sql.raw(operator)
    : sql`operator(${sql.id(operators)}.${sql.raw(operator)})`;
}

/** A column of the key has that value: where possible, in a form that only an index serves, and no hash or merge join. */
function isKey(
  source: Source,
  key: KeyColumn,
  column: RawBuilder<unknown>,
  value: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const equals = keyOperator(key, "=");
  return source.hasSingleKeyLookup
    ? sql`${column} ${equals} any(array[${value}])`
    : sql`${column} ${equals} ${value}`;
}

/** The queue's key of the watched row `row`, as the triggers write it (`autoembed.key_sql`). */
export function queueKey(source: Source, row: string): RawBuilder<string> {
  const texts = source.key.map((_, i) => sql`${sql.ref(`${row}.k${i}`)}::text`);
  return source.key.length === 1 ? sql`${sql.join(texts)}` : sql`jsonb_build_array(${sql.join(texts)})::text`;
}

/** Types of keys that fit whatever their value, as in `autoembed.key_fits_sql`. */
const SHORT_TYPES: ReadonlySet<string> = new Set([
  "smallint",
  "integer",
  "bigint",
  "boolean",
  "uuid",
  "real",
  "double precision",
  "date",
  "timestamp without time zone",
  "timestamp with time zone",
]);

/** The key of `row` fits into the indexes of queue and ledger; of a row with a longer one the triggers queue nothing. */
export function keyFits(source: Source, row: string): RawBuilder<boolean> {
  if (source.key.every(({ type }) => SHORT_TYPES.has(type))) return sql`true`;
  return sql`octet_length(${queueKey(source, row)}) <= 2600`;
}

/** sha256 of the text of `row` in UTF-8: what ledger, cache and reservations are keyed by, and the write-back is guarded by. */
export function textHash(row: string): RawBuilder<Buffer> {
  return sql`sha256(convert_to(${sql.ref(`${row}.content`)}, 'UTF8'))`;
}

/**
 * The text is to be embedded: present, and more than white space. A visible first character of ASCII decides it, for a tenth
 * of what a regular expression costs. A regular expression takes four bytes per character, and raises beyond 1 GB: the
 * beginning of a very long text is tested first.
 */
export function hasText(row: string): RawBuilder<boolean> {
  const content = sql.ref(`${row}.content`);
  return sql`coalesce(
    case when left(${content}, 1) collate "C" between '!' and '~' then true
      when octet_length(${content}) > 1000000 and left(${content}, 1000) ~ '[^[:space:]]' then true
      else ${content} ~ '[^[:space:]]' end, false)`;
}

/**
 * The source is still what it was when this statement was built. A change of the model swaps the names of two columns, and
 * the old model's vectors must not mix with the new; when a table is watched again by another key, the queue's keys name
 * other rows; without its unique index two rows have one key; and a table that was renamed may have left its name to
 * another one, whose rows these are not. Evaluated once, when the table's lock is held.
 */
export function isUnchanged(source: Source): RawBuilder<boolean> {
  const table = source.vectorTable === null ? sql`null` : sql.lit(source.vectorTable.oid);
  const keys = sql.join(source.key.map(({ name }) => sql.lit(name)));
  const isUnique =
    source.keyIndex === undefined
      ? sql``
      : sql`and exists (select from pg_index i where i.indexrelid = ${sql.lit(source.keyIndex)}::oid and i.indisunique)`;
  return sql`exists (select from autoembed.embedding_source s where s.id = ${sql.lit(source.id)}
    and s.watched_table = ${sql.lit(source.oid)}::oid and s.key_columns = array[${keys}]::text[]
    and s.text_expression = ${sql.lit(source.textExpression)}
    and s.vector_column = ${sql.lit(source.vectorColumn)} and s.vector_table is not distinct from ${table}::oid
    and ${haveTheirNames(source, "s")} ${isUnique})`;
}

/** The tables of the row `row` of `embedding_source` are those that the names of the source stand for now. */
export function haveTheirNames(source: Source, row: string): RawBuilder<boolean> {
  const isNamed = (column: string, table: TableName): RawBuilder<boolean> =>
    sql`${sql.ref(`${row}.${column}`)} = to_regclass(${sql.lit(quoted(table))})`;
  const watched = isNamed("watched_table", source);
  return source.vectorTable === null
    ? watched
    : sql`${watched} and ${isNamed("vector_table", source.vectorTable)}`;
}

export function vectorType(source: Source): RawBuilder<unknown> {
  return vectorName(source.vectorSchema, source.vectorType);
}

/** The cosine distance of two vectors of the source's. */
export function distance(source: Source, a: RawBuilder<unknown>, b: RawBuilder<unknown>): RawBuilder<number> {
  return sql`${a} ${vectorOperator(source.vectorSchema, "<=>")} ${b}`;
}

/** Whether two vectors of the source's are equal. */
export function isSameVector(
  source: Source,
  a: RawBuilder<unknown>,
  b: RawBuilder<unknown>,
): RawBuilder<boolean> {
  return sql`${a} ${vectorOperator(source.vectorSchema, "=")} ${b}`;
}

function and(conditions: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return sql.join(conditions, sql` and `);
}
