import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { viewsOver } from "./dependents.ts";
import { nextColumn, previousColumn, type Remodelling } from "./remodelling.ts";

/**
 * What would keep the switch from being made, told before anything is paid for.
 * @throws {SetupError} where a column has a name that the change needs, or something depends on the vector's column.
 */
export async function refuseObstacles(
  db: Database,
  { state, live }: Pick<Remodelling, "state" | "live">,
): Promise<void> {
  const { schema, table } = live.vectorTable ?? live;
  const names = state === "none" ? [nextColumn(live), previousColumn(live)] : [previousColumn(live)];
  const { rows } = await sql<{ column: string }>`
    select attname as column from pg_attribute
    where attrelid = format('%I.%I', ${schema}::text, ${table}::text)::regclass and not attisdropped
      and attname = any(${names}::text[]) order by 1`.execute(db);
  if (rows.length > 0) {
    throw new SetupError(
      `${schema}.${table} has a column ${rows.map(({ column }) => column).join(" and ")} already, and a change of the model needs the name.`,
      `What an earlier change left behind may be dropped: alter table … drop column …; else rename it.`,
    );
  }
  await viewsOver(db, live);
}
