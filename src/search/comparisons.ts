import { sql, type RawBuilder } from "kysely";
import { keyOperator, type Sign } from "../sources/source-sql.ts";
import { boundTo } from "./bound-value.ts";
import type { ComparedColumn, Columns } from "./compared-columns.ts";
import { isOfMany, type Operator } from "./operators.ts";
import { RefusedByColumns } from "./refused-by-columns.ts";

export interface Comparison {
  readonly column: string;
  readonly operator: Operator;
  /** Neither it nor an element of it is null. */
  readonly value: unknown;
}

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
  const { form, type, cast } = column;
  if (!OF_FORM[form].includes(operator)) {
    throw new RefusedByColumns(
      `where.${name} is ${FORMS[form]} (${type}) and has no operator ${operator}.`,
      `There are: ${OF_FORM[form].join(", ")}. Such as: {"${name}": {"${OF_FORM[form].includes("contains") ? "contains" : "isNull"}": …}}.`,
    );
  }
  if (operator === "isNull") return (of) => (value === true ? sql`${of} is null` : sql`${of} is not null`);
  const given = boundTo(column, operator, value);
  const by = (sign: Sign): RawBuilder<unknown> => keyOperator(column, sign);
  if (cast === null) return (of) => applied(operator, by, of, sql`${given}`);
  const list = isOfMany(operator) ? "[]" : "";
  return (of) =>
    applied(operator, by, sql`${of}::${sql.raw(cast)}`, sql`${given}::${sql.raw(`${cast}${list}`)}`);
}

function applied(
  operator: Exclude<Operator, "isNull">,
  by: (sign: Sign) => RawBuilder<unknown>,
  of: RawBuilder<unknown>,
  bound: RawBuilder<unknown>,
): RawBuilder<unknown> {
  switch (operator) {
    case "eq":
      return sql`${of} ${by("=")} ${bound}`;
    case "ne":
      return sql`(${of} ${by("=")} ${bound}) is not true`;
    case "lt":
      return sql`${of} ${by("<")} ${bound}`;
    case "lte":
      return sql`${of} ${by("<=")} ${bound}`;
    case "gt":
      return sql`${of} ${by(">")} ${bound}`;
    case "gte":
      return sql`${of} ${by(">=")} ${bound}`;
    case "in":
      return sql`${of} ${by("=")} any(${bound})`;
    case "notIn":
      return sql`(${of} ${by("=")} any(${bound})) is not true`;
    case "like":
      return sql`${of} ${by("~~")} ${bound}`;
    case "ilike":
      return sql`${of} ${by("~~*")} ${bound}`;
    case "contains":
      return sql`${of} @> ${bound}`;
    case "containsAny":
      return sql`${of} && ${bound}`;
  }
}
