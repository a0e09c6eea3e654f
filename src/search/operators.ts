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

/** They compare one value with a list. */
export function isOfMany(operator: Operator): boolean {
  return operator === "in" || operator === "notIn";
}
