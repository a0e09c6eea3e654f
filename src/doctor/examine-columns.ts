import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import { problem, type Finding } from "./finding.ts";

/** Finds columns of our own tables that have lost a default or their NOT NULL: what is written leaves them out. */
export async function examineColumns(db: Database): Promise<Finding[]> {
  const { rows } = await sql<{
    name: string;
    definition: string;
  }>`select * from autoembed.changed_columns()`.execute(db);
  if (rows.length === 0) return [];
  const names = [...new Set(rows.map(({ name }) => name))];
  return [
    problem(
      `Columns of the schema autoembed have lost a default or their NOT NULL: ${names.join(", ")}.`,
      `As the owner of the schema autoembed, after rows without a value were deleted: ${rows.map(({ definition }) => definition).join(" ")} Then: ${invocation("migrate")}`,
    ),
  ];
}
