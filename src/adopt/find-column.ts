import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { findTable } from "../watch/find-table.ts";
import type { Found, Hints } from "./found.ts";

/** A column that a script of the user's fills. */
export async function findColumn(db: Database, hints: Hints): Promise<Found> {
  const { text, vector = "embedding" } = hints;
  const named = hints.table ?? hints.name;
  if (named === undefined || text === undefined) {
    throw new UsageError(
      "Name the table, its text and the column of the vectors.",
      `Such as: ${invocation("adopt", "column --table public.articles --text body --vector embedding")}`,
    );
  }
  const table = await findTable(db, named);
  return {
    tool: "column",
    name: `${table.schema}.${table.table}`,
    table,
    text,
    key: hints.key,
    kept: { as: "column", column: vector },
    model: null,
    triggers: [],
    workers: {},
    outdated: [],
    notes: [
      "Stop the script before you adopt: what it writes afterwards is taken for a vector of the text that the row has then.",
    ],
  };
}
