import { sql, type RawBuilder } from "kysely";
import { UsageError } from "../errors.ts";
import type { Source } from "../sources/source.ts";
import type { Columns } from "./compared-columns.ts";
import { compare, type Comparison } from "./comparisons.ts";
import { isOperator, LISTS, OPERATORS } from "./operators.ts";
import { hasHidden, isPlainObject } from "./plain-object.ts";

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
  /** Of an array, an element or several, all of which it has; of a `jsonb`, a part of it. */
  readonly contains?: Value extends readonly (infer Element)[] ? Element | readonly Element[] : unknown;
  /** Elements of which an array has at least one. */
  readonly containsAny?: Value extends readonly (infer Element)[] ? readonly Element[] : never;
}

/** A condition over the columns of a source's watched table. */
export type Condition = (source: Source) => RawBuilder<unknown>;

/** A filter that was checked; its values take the types of the columns. @throws {UsageError} as `whereOf` */
export type Where = (columns: Columns) => Condition;

/**
 * A filter that was checked; undefined if it is empty.
 * @throws {UsageError} if it has something that could not be compared, or an undefined value: a tenant that was forgotten
 * must not find the rows of all.
 */
export function whereOf(filter: unknown): Where | undefined {
  if (filter === undefined) return undefined;
  if (!isPlainObject(filter)) throw new UsageError("where is no plain object.", 'Such as: { tenant: "a" }');
  if (hasHidden(filter)) throw hidden("where");
  const comparisons = Object.entries(filter).flatMap(([column, wanted]) => comparisonsOf(column, wanted));
  if (comparisons.length === 0) return undefined;
  return (columns) => {
    const conditions = comparisons.map((comparison) => compare(comparison, columns));
    return ({ table }) =>
      sql`(${sql.join(
        conditions.map((condition, i) => condition(sql.id(table, comparisons[i]?.column ?? ""))),
        sql` and `,
      )})`;
  };
}

function comparisonsOf(column: string, wanted: unknown): Comparison[] {
  if (wanted === null) return [comparison(column, "isNull", true)];
  if (Array.isArray(wanted)) return [comparison(column, "in", wanted)];
  if (wanted !== undefined && !isPlainObject(wanted)) return [comparison(column, "eq", wanted)];
  if (wanted !== undefined && hasHidden(wanted)) throw hidden(`where.${column}`);
  const operators = Object.entries(wanted ?? {});
  if (operators.length === 0) {
    throw new UsageError(
      `where.${column} is ${wanted === undefined ? "undefined" : "empty"}.`,
      "Leave the column out to find rows whatever they have there, or give null to find those that have nothing.",
    );
  }
  return operators.map(([operator, value]) => comparison(column, operator, value));
}

function hidden(what: string): UsageError {
  return new UsageError(
    `${what} has a symbol, or a property that is not enumerable, which would be left out.`,
    'Name columns and operators by texts: { tenant: "a", price: { lt: 50 } }',
  );
}

function comparison(column: string, operator: string, value: unknown): Comparison {
  if (!isOperator(operator)) {
    throw new UsageError(
      `where.${column} has no operator ${operator}.`,
      `There are: ${OPERATORS.join(", ")}.`,
    );
  }
  const isList = LISTS.has(operator);
  const isOfWrongKind =
    (isList && !Array.isArray(value)) || (operator === "isNull" && typeof value !== "boolean");
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (isOfWrongKind || values.some((one) => one === undefined || one === null || isCode(one))) {
    throw new UsageError(
      `where.${column}.${operator} cannot be compared.`,
      isList ? "Give a list of values." : "Give one value; isNull takes true or false.",
    );
  }
  return { column, operator, value };
}

/** What Kysely would take for a part of the statement, instead of binding it. */
function isCode(value: unknown): boolean {
  if (typeof value === "object") return value !== null && "toOperationNode" in value;
  return typeof value === "function" || typeof value === "symbol";
}

/** Every row that the role may read: with it, none is looked for among those that it may not. */
export const READABLE: Condition = () => sql`true`;

export function both(a: Condition | undefined, b: Condition | undefined): Condition | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return (source) => sql`(${a(source)} and ${b(source)})`;
}
