import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { problem, type Finding } from "./finding.ts";

/** Finds indexes and keys of our own tables that a restore or a hand has removed: without one, changes may not be queued. */
export async function examineIndexes(db: Database): Promise<Finding[]> {
  const { rows } = await sql<{
    name: string;
    definition: string;
  }>`select * from autoembed.missing_indexes()`.execute(db);
  if (rows.length === 0) return [];
  const statements = rows.map(({ definition }) => definition).join(" ");
  const again = statements.includes(" cascade")
    ? ", and then doctor again, since foreign keys go with the key that they refer to"
    : "";
  return [
    problem(
      `The tables of the schema autoembed have lost ${rows.map(({ name }) => name).join(", ")}.`,
      `As their owner, after rows that are there twice were deleted${again}: ${statements}`,
    ),
  ];
}
