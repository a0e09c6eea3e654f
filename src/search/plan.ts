/** A row of `explain (format json)`. */
export interface Explained {
  /** A pool may leave JSON as it is. */
  readonly "QUERY PLAN": string | Plans;
}

type Plans = readonly { readonly Plan: PlanNode }[];

export interface PlanNode {
  readonly "Plan Rows": number;
  readonly "Total Cost": number;
  /** Where it is verbose. */
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
}

export function planIn([row]: readonly Explained[]): PlanNode | undefined {
  const plans = row?.["QUERY PLAN"];
  return (typeof plans === "string" ? (JSON.parse(plans) as Plans) : plans)?.[0]?.Plan;
}
