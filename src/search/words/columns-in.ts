import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import { tableOf } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";

/**
 * The columns of the table that an expression reads, as Postgres writes them where it explains a plan: with their table
 * where there is another one.
 */
export async function columnsIn(db: Database, source: Source, expression: string): Promise<string> {
  const { rows } = await sql<Record<"QUERY PLAN", string>>`
    explain (verbose, costs off) select (${sql.raw(expression)}) from ${tableOf(source)}, (values (1)) as "autoembed other"("autoembed one") where false`.execute(
    db,
  );
  const lines = rows.map((row) => row["QUERY PLAN"].trimStart());
  const output = lines.find((line) => line.startsWith("Output:"))?.replaceAll(/'(?:[^']|'')*'/g, "") ?? "";
  const columns = [...output.matchAll(QUALIFIED)].filter(
    ([, table = ""]) => unquoted(table) === source.table,
  );
  return [...new Set(columns.map(([, , column]) => column))].toSorted().join();
}

const QUALIFIED = /(?<![\w"])([a-z_][a-z0-9_]*|"(?:[^"]|"")+")\.([a-z_][a-z0-9_]*|"(?:[^"]|"")+")/g;

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
