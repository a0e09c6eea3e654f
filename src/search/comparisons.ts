import { sql, type RawBuilder } from "kysely";
import { keyOperator, type Sign } from "../sources/source-sql.ts";
import type { KeyColumn } from "../sources/source.ts";
import { asJson } from "./as-json.ts";
import { isPlainObject } from "./plain-object.ts";
import { RefusedByColumns } from "./refused-by-columns.ts";

/** A column of the watched table. Its type's own operators are named: `citext` in another schema is else compared as `text`. */
export interface ComparedColumn extends KeyColumn {
  /** How its values are given: as one, as a list of elements, or as JSON. The type `json` cannot be compared. */
  readonly form: "one" | "array" | "jsonb" | "json";
}

export type Columns = ReadonlyMap<string, ComparedColumn>;

export interface Comparison {
  readonly column: string;
  readonly operator: Operator;
  /** Neither it nor an element of it is null. */
  readonly value: unknown;
}

export const OPERATORS = [
  "eq",
  "ne",
  "lt",
  "lte",
  "gt",
  "gte",
  "in",
  "notIn",
  "like",
  "ilike",
  "isNull",
  "contains",
  "containsAny",
] as const;
export type Operator = (typeof OPERATORS)[number];

export function isOperator(name: string): name is Operator {
  return OPERATORS.some((operator) => operator === name);
}

/** They take a list of values, whatever the column. */
export const LISTS: ReadonlySet<Operator> = new Set<Operator>(["in", "notIn", "containsAny"]);

const ORDERED = ["eq", "ne", "lt", "lte", "gt", "gte", "in", "notIn", "like", "ilike", "isNull"] as const;
const OF_FORM: Readonly<Record<ComparedColumn["form"], readonly Operator[]>> = {
  one: ORDERED,
  array: ["eq", "ne", "contains", "containsAny", "isNull"],
  jsonb: ["eq", "ne", "in", "notIn", "contains", "isNull"],
  json: ["isNull"],
};

/** What a column of each form is, for people. */
const FORMS: Readonly<Record<ComparedColumn["form"], string>> = {
  one: "one value",
  array: "a list",
  jsonb: "JSON",
  json: "JSON that cannot be compared",
};

/**
 * The comparison as SQL over its column.
 * @throws {RefusedByColumns} if there is no such column, it has no such operator, or the value is of another form
 */
export function compare(
  { column: name, operator, value }: Comparison,
  columns: Columns,
): (column: RawBuilder<unknown>) => RawBuilder<unknown> {
  const column = columns.get(name);
  if (column === undefined) throw RefusedByColumns.unknown(`There is no column ${name} to compare.`, columns);
  const { form, type } = column;
  if (!OF_FORM[form].includes(operator)) {
    throw new RefusedByColumns(
      `where.${name} is ${FORMS[form]} (${type}) and has no operator ${operator}.`,
      `There are: ${OF_FORM[form].join(", ")}. Such as: {"${name}": {"${OF_FORM[form].includes("contains") ? "contains" : "isNull"}": …}}.`,
    );
  }
  if (operator === "isNull") return (of) => (value === true ? sql`${of} is null` : sql`${of} is not null`);
  const bound = boundTo(name, form, operator, value);
  const by = (sign: Sign): RawBuilder<unknown> => keyOperator(column, sign);
  switch (operator) {
    case "eq":
      return (of) => sql`${of} ${by("=")} ${bound}`;
    case "ne":
      return (of) => sql`(${of} ${by("=")} ${bound}) is not true`;
    case "lt":
      return (of) => sql`${of} ${by("<")} ${bound}`;
    case "lte":
      return (of) => sql`${of} ${by("<=")} ${bound}`;
    case "gt":
      return (of) => sql`${of} ${by(">")} ${bound}`;
    case "gte":
      return (of) => sql`${of} ${by(">=")} ${bound}`;
    case "in":
      return (of) => sql`${of} ${by("=")} any(${bound})`;
    case "notIn":
      return (of) => sql`(${of} ${by("=")} any(${bound})) is not true`;
    case "like":
      return (of) => sql`${of} ${by("~~")} ${bound}`;
    case "ilike":
      return (of) => sql`${of} ${by("~~*")} ${bound}`;
    case "contains":
      return (of) => sql`${of} @> ${bound}`;
    case "containsAny":
      return (of) => sql`${of} && ${bound}`;
  }
}

/** The value as a driver binds it to the column's type. */
function boundTo(name: string, form: ComparedColumn["form"], operator: Operator, value: unknown): unknown {
  const isOfMany = operator === "in" || operator === "notIn";
  if (form === "jsonb") return jsonOf(name, operator, value, isOfMany);
  const takesList = form === "array" || isOfMany;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isOfWrongForm =
    form === "array" ? operator !== "contains" && !Array.isArray(value) : Array.isArray(value) !== isOfMany;
  if (isOfWrongForm || list.some((one) => Array.isArray(one) || isPlainObject(one)))
    throw new RefusedByColumns(
      `where.${name}.${operator} cannot be compared.`,
      form === "array"
        ? "Give a list of values; contains takes one value too."
        : takesList
          ? "Give a list of values."
          : "Give one value.",
    );
  return takesList ? list : value;
}

function jsonOf(name: string, operator: Operator, value: unknown, isOfMany: boolean): unknown {
  const values = isOfMany && Array.isArray(value) ? value.map(asJson) : [asJson(value)];
  if (values.includes(undefined))
    throw new RefusedByColumns(
      `where.${name}.${operator} is no JSON.`,
      "Give texts, finite numbers, true, false, null, dates, lists and plain objects of them; undefined is refused.",
    );
  return isOfMany ? values : values[0];
}
