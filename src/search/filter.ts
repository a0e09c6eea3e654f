import { sql, type RawBuilder } from "kysely";
import { UsageError } from "../errors.ts";
import type { Source } from "../sources/source.ts";

/** Conditions on a table's columns, all of which must hold: `{ price: { lt: 50 }, tenant: "a", status: ["open", "new"] }`. */
export type Filter<Row = Record<string, unknown>> = {
  readonly [Column in keyof Row]?: Row[Column] | readonly Row[Column][] | Operators<Row[Column]> | null;
};

interface Operators<Value> {
  readonly eq?: Value;
  readonly ne?: Value;
  readonly lt?: Value;
  readonly lte?: Value;
  readonly gt?: Value;
  readonly gte?: Value;
  readonly in?: readonly Value[];
  readonly notIn?: readonly Value[];
  readonly like?: string;
  readonly ilike?: string;
  readonly isNull?: boolean;
}

/** A condition over the columns of a source's watched table. */
export type Condition = (source: Source) => RawBuilder<unknown>;

type Compare = (column: RawBuilder<unknown>, value: unknown) => RawBuilder<unknown>;

const OPERATORS: Readonly<Record<keyof Operators<unknown>, Compare>> = {
  eq: (column, value) => sql`${column} = ${value}`,
  ne: (column, value) => sql`${column} is distinct from ${value}`,
  lt: (column, value) => sql`${column} < ${value}`,
  lte: (column, value) => sql`${column} <= ${value}`,
  gt: (column, value) => sql`${column} > ${value}`,
  gte: (column, value) => sql`${column} >= ${value}`,
  in: (column, value) => sql`${column} = any(${value})`,
  notIn: (column, value) => sql`(${column} <> all(${value})) is not false`,
  like: (column, value) => sql`${column} like ${value}`,
  ilike: (column, value) => sql`${column} ilike ${value}`,
  isNull: (column, value) => (value === true ? sql`${column} is null` : sql`${column} is not null`),
};
const LISTS: ReadonlySet<string> = new Set<keyof Operators<unknown>>(["in", "notIn"]);

/**
 * The filter as a condition; undefined if it is empty. Values take the types of their columns.
 * @throws {UsageError} if it has something that could not be compared, or an undefined value: a tenant that was forgotten
 * must not find the rows of all.
 */
export function conditionOf(filter: object | undefined): Condition | undefined {
  if (filter === undefined) return undefined;
  if (!isOperators(filter)) throw new UsageError("where is no plain object.", 'Such as: { tenant: "a" }');
  const comparisons = Object.entries(filter).flatMap(([column, wanted]) => comparisonsOf(column, wanted));
  if (comparisons.length === 0) return undefined;
  return (source) =>
    sql`(${sql.join(
      comparisons.map(({ column, compare, value }) => compare(sql.id(source.table, column), value)),
      sql` and `,
    )})`;
}

function comparisonsOf(column: string, wanted: unknown): Comparison[] {
  if (wanted === null) return [{ column, compare: OPERATORS.isNull, value: true }];
  if (Array.isArray(wanted)) return [comparison(column, "in", wanted)];
  if (wanted !== undefined && !isOperators(wanted)) return [comparison(column, "eq", wanted)];
  const operators = Object.entries(wanted ?? {});
  if (operators.length === 0) {
    throw new UsageError(
      `where.${column} is ${wanted === undefined ? "undefined" : "empty"}.`,
      "Leave the column out to find rows whatever they have there, or give null to find those that have nothing.",
    );
  }
  return operators.map(([operator, value]) => comparison(column, operator, value));
}

interface Comparison {
  readonly column: string;
  readonly compare: Compare;
  readonly value: unknown;
}

function comparison(column: string, operator: string, value: unknown): Comparison {
  if (!Object.hasOwn(OPERATORS, operator)) {
    throw new UsageError(
      `where.${column} has no operator ${operator}.`,
      `There are: ${Object.keys(OPERATORS).join(", ")}.`,
    );
  }
  const isList = LISTS.has(operator);
  const values: readonly unknown[] = isList && Array.isArray(value) ? value : [value];
  const isOfWrongKind =
    Array.isArray(value) !== isList || (operator === "isNull" && typeof value !== "boolean");
  if (isOfWrongKind || values.some((one) => one === undefined || one === null)) {
    throw new UsageError(
      `where.${column}.${operator} cannot be compared.`,
      isList ? "Give a list of values." : "Give one value; isNull takes true or false.",
    );
  }
  return { column, compare: OPERATORS[operator as keyof typeof OPERATORS], value };
}

/** A plain object; a date or a buffer is a value. */
function isOperators(wanted: unknown): wanted is object {
  return (
    typeof wanted === "object" &&
    wanted !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(wanted) as object | null)
  );
}

/** Every row that the role may read: with it, none is looked for among those that it may not. */
export const READABLE: Condition = () => sql`true`;

export function both(a: Condition | undefined, b: Condition | undefined): Condition | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return (source) => sql`(${a(source)} and ${b(source)})`;
}
