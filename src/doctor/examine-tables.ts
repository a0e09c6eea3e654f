import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { findLoss } from "../database/lost-tables.ts";
import { problem, warning, type Finding } from "./finding.ts";

type Kind = "persistence" | "foreign";

interface Changed {
  readonly kind: Kind;
  readonly name: string;
  /** What mends it; null where no statement does. */
  readonly definition: string | null;
}

/**
 * Finds tables, columns and a sequence of ours that are missing, and what was made of our tables besides. Where something
 * is missing, which is a problem, nothing else can be examined.
 */
export async function examineTables(db: Database): Promise<Finding[]> {
  const loss = await findLoss(db);
  const { rows } = await sql<Changed>`select * from autoembed.changed_tables()`.execute(db);
  const of = (kind: Kind): Changed[] => rows.filter((row) => row.kind === kind);
  const lost = loss === undefined ? [] : [problem(loss.what, loss.remedy)];
  return [...lost, ...persistence(of("persistence")), ...foreign(of("foreign"))];
}

function persistence(rows: readonly Changed[]): Finding[] {
  if (rows.length === 0) return [];
  return [
    warning(
      `Tables of the schema autoembed are logged and should not be, or the other way round: ${namesOf(rows)}. Backups have what they should not, or a crash loses changes.`,
      `As the owner of the schema autoembed: ${statementsOf(rows)}`,
    ),
  ];
}

function foreign(rows: readonly Changed[]): Finding[] {
  if (rows.length === 0) return [];
  return [
    warning(
      `Tables of the schema autoembed have what is not ours: ${namesOf(rows)}. It may keep changes from being queued, or fail writes to watched tables.`,
      `As the owner of the schema autoembed, unless it is meant to be there: ${statementsOf(rows)}`,
    ),
  ];
}

function namesOf(rows: readonly Changed[]): string {
  return rows.map(({ name }) => name).join(", ");
}

function statementsOf(rows: readonly Changed[]): string {
  return rows.flatMap(({ definition }) => definition ?? []).join(" ");
}
