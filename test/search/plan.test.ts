import { expect, test } from "vitest";
import { planIn } from "../../src/search/plan.ts";

test("A plan is read also where a pool leaves JSON as text", () => {
  const plans = [{ Plan: { "Plan Rows": 7, "Total Cost": 1.5 } }];
  for (const given of [plans, JSON.stringify(plans)])
    expect(planIn([{ "QUERY PLAN": given }])).toEqual(plans[0]?.Plan);
  expect(planIn([])).toBeUndefined();
});
