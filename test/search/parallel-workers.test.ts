import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { NearestSql, QUESTION } from "../../src/search/nearest-sql.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

describeNative("A search without an index", "the embedded Postgres has one process", () => {
  test("Parallel workers compare the vectors", async () => {
    const { client, database } = await prepare();
    await client.query(`insert into patient_embeddings
      select i, 'note ' || i, array_fill(i, '{8}')::vector from generate_series(1, 2000) i`);
    await client.query("analyze patient_embeddings");
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
    onTestFinished(() => db.destroy());
    const searched = await loadSearched(db, "patient_embeddings");
    const exactly = new NearestSql(searched, 10, undefined).exactly().compile(db);
    await sql`select set_config(name, '0', false) from unnest(array[
      'parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_table_scan_size']) name`.execute(db);
    const { rows } = await db.executeQuery<Record<"QUERY PLAN", string>>({
      ...exactly,
      sql: `explain (costs off) ${exactly.sql}`,
      parameters: exactly.parameters.map((value) => (value === QUESTION ? "[1,1,1,1,1,1,1,1]" : value)),
    });
    expect(rows.map((row) => row["QUERY PLAN"]).join("\n")).toMatch(/Gather/);
  });
});
