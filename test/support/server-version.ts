import { sql } from "kysely";
import type { Database } from "../../src/database/connect.ts";

/** The major version, such as 17. */
export async function serverVersion(db: Database): Promise<number> {
  const { rows } = await sql<{ version: number }>`
    select current_setting('server_version_num')::int / 10000 as version`.execute(db);
  return rows[0]?.version ?? 0;
}
