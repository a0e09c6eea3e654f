import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { DB } from "../../src/database/schema.ts";
import { readSources } from "../../src/sources/read-sources.ts";
import { openTestDatabase } from "../support/database.ts";

/** Postgres's default of `jit_above_cost`. */
const COMPILED_ABOVE = 100_000;

test("The sources are read by a statement too cheap to be compiled, in a session of an application's too", async () => {
  const database = await openTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  onTestFinished(async () => {
    await pool.end();
    await database.close();
  });
  const statements: string[] = [];
  const db = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => {
      statements.push(query.sql);
    },
  });
  expect(await readSources(db)).toMatchObject([{ name: "patient_embeddings" }]);
  expect(statements).toHaveLength(1);
  const { rows } = await pool.query<{ "QUERY PLAN": [{ Plan: { "Total Cost": number } }] }>(
    `explain (format json) ${statements.join()}`,
  );
  expect(rows[0]?.["QUERY PLAN"][0].Plan["Total Cost"]).toBeLessThan(COMPILED_ABOVE);
});
