import { types } from "node:util";
import { asJson } from "./as-json.ts";
import type { ComparedColumn } from "./compared-columns.ts";
import { isOfMany, type Operator } from "./operators.ts";
import { RefusedByColumns } from "./refused-by-columns.ts";

/** Their columns have no more digits than a number. */
const FLOATS: ReadonlySet<string> = new Set(["double precision", "real", "double precision[]", "real[]"]);

/** @throws {RefusedByColumns} for a whole number that may have been another one when it was written: the id of another tenant */
function checkWhole(name: string, value: unknown): void {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.some((one) => Number.isInteger(one) && !Number.isSafeInteger(one)))
    throw new RefusedByColumns(
      `${name} has a whole number above 9007199254740991, which JavaScript and most JSON round to another one.`,
      "Give it as a text, or as a bigint.",
    );
}

/** Of any other object pg makes JSON: a text in quotes, which is another value than the one that is meant. */
function isBound(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (types.isDate(value)) return Number.isFinite(value.getTime());
  return ArrayBuffer.isView(value) || ("toPostgres" in value && typeof value.toPostgres === "function");
}

/** The value as a driver binds it to the column's type. @throws {RefusedByColumns} for one of another form */
export function boundTo({ name, form, type }: ComparedColumn, operator: Operator, value: unknown): unknown {
  if (form === "jsonb") return jsonOf(name, operator, value);
  if (!FLOATS.has(type)) checkWhole(`where.${name}.${operator}`, value);
  const takesList = form === "array" || isOfMany(operator);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isOfWrongForm =
    form === "array"
      ? operator !== "contains" && !Array.isArray(value)
      : Array.isArray(value) !== isOfMany(operator);
  if (isOfWrongForm || !list.every(isBound))
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

function jsonOf(name: string, operator: Operator, value: unknown): unknown {
  const values = isOfMany(operator) && Array.isArray(value) ? value.map(asJson) : [asJson(value)];
  if (values.includes(undefined))
    throw new RefusedByColumns(
      `where.${name}.${operator} is no JSON.`,
      "Give texts, finite numbers (whole ones up to 9007199254740991), true, false, null, dates, lists and plain objects of them; undefined is refused.",
    );
  return isOfMany(operator) ? values : values[0];
}
