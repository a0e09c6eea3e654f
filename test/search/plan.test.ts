import { expect, test } from "vitest";
import { planIn } from "../../src/search/plan.ts";

const PLAN = `- Plan: 
    Node Type: "Append"
    Startup Cost: 22.12
    Total Cost: 104.92
    Plan Rows: 201
    Plans: 
      - Node Type: "Hash Join"
        Plan Rows: 200
        Output: 
          - "a"
        Plans: 
          - Node Type: "Seq Scan"
            Total Cost: 28.00
            Plan Rows: 400
      - Node Type: "Result"
        Plan Rows: 1`;

test("Of a plan, its own cost and the rows of its parts are read, and not those of the parts' parts", () => {
  expect(planIn([{ "QUERY PLAN": PLAN }])).toEqual({ totalCost: 104.92, output: [], rowsOfParts: [200, 1] });
});

test("What a plan gives is read as Postgres prints it, whatever it quotes", () => {
  const plan = `- Plan: \n    Node Type: "Result"\n    Output: \n      - "(\\"a\\" || '\\n    Total Cost: 1'::text)"\n      - "b"\n    One-Time Filter: "false"`;
  expect(planIn([{ "QUERY PLAN": plan }]).output).toEqual([`("a" || '\n    Total Cost: 1'::text)`, "b"]);
});

test("Where there is no plan, its cost is not known", () => {
  expect(planIn([])).toEqual({ totalCost: Infinity, output: [], rowsOfParts: [] });
});
