import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { problem, type Finding } from "./finding.ts";

/** Finds checks and foreign keys of our own tables that are gone, not valid or switched off: wrong rows are let in. */
export async function examineConstraints(db: Database): Promise<Finding[]> {
  const { rows } = await sql<{
    name: string;
    definition: string;
  }>`select * from autoembed.missing_constraints()`.execute(db);
  if (rows.length === 0) return [];
  const statements = [...new Set(rows.map(({ definition }) => definition))];
  return [
    problem(
      `Constraints of the schema autoembed are missing, not valid or switched off: ${rows.map(({ name }) => name).join(", ")}.`,
      `As the owner of the schema autoembed, after rows that violate them were deleted: ${statements.join(" ")}`,
    ),
  ];
}
