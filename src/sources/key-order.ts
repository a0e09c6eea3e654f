import { sql, type RawBuilder } from "kysely";
import { keyOperator } from "./source-sql.ts";
import type { Source } from "./source.ts";

/** A key, column by column, as text. */
export type KeyTexts = readonly string[];

/** The columns of a queue's key: see `queueKey`. */
export function columnsOf(source: Source, key: string): KeyTexts {
  return source.key.length === 1 ? [key] : (JSON.parse(key) as string[]);
}

/** The key of the row `row`, as `KeyTexts`. */
export function keyTexts(source: Source, row: string): RawBuilder<readonly string[]> {
  return sql`array[${sql.join(source.key.map((_, i) => sql`${sql.ref(`${row}.k${i}`)}::text`))}]`;
}

/** For `order by`: the key of `row`, descending. */
export function keyDescending(source: Source, row: string): RawBuilder<unknown> {
  return sql.join(source.key.map((_, i) => sql`${sql.ref(`${row}.k${i}`)} desc`));
}

/** The key of `row` comes after that one. An index serves the comparison of whole rows, which takes one schema's operators. */
export function isAfter(
  source: Source,
  row: string,
  key: KeyTexts | RawBuilder<unknown>,
): RawBuilder<boolean> {
  return compares(source, row, ">", key);
}

/** The key of `row` comes before that one, or is that one. */
export function isUpTo(
  source: Source,
  row: string,
  key: KeyTexts | RawBuilder<unknown>,
): RawBuilder<boolean> {
  return compares(source, row, "<=", key);
}

/** @param key the values, or an array of texts */
function compares(
  source: Source,
  row: string,
  operator: ">" | "<=",
  key: KeyTexts | RawBuilder<unknown>,
): RawBuilder<boolean> {
  const columns = source.key.map((_, i) => sql.ref(`${row}.k${i}`));
  const values = source.key.map((column, i) => {
    const text = "compile" in key ? sql`(${key})[${sql.lit(i + 1)}]` : sql`${key[i]}::text`;
    return sql`${text}::${sql.raw(column.type)}`;
  });
  if (source.key.every(({ operators }) => operators === "pg_catalog"))
    return sql`(${sql.join(columns)}) ${sql.raw(operator)} (${sql.join(values)})`;
  // Column by column, the last one decides what becomes of an equal key.
  const arms = source.key.map((column, i) => {
    const isLast = i === source.key.length - 1;
    const conditions = source.key.slice(0, i + 1).map((other, j) => {
      const compared = j < i ? "=" : operator === ">" ? ">" : isLast ? "<=" : "<";
      return sql`${columns[j]} ${keyOperator(other, compared)} ${values[j]}`;
    });
    return sql`(${sql.join(conditions, sql` and `)})`;
  });
  // An index serves the first column; the arms alone would have it read from one of its ends for each page.
  const [column] = source.key;
  const starts =
    column === undefined
      ? sql`true`
      : sql`${columns[0]} ${keyOperator(column, operator === ">" ? ">=" : "<=")} ${values[0]}`;
  return sql`(${starts} and (${sql.join(arms, sql` or `)}))`;
}
