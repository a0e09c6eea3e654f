import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { DB } from "../../src/database/schema.ts";
import { readSources } from "../../src/sources/read-sources.ts";
import { openTestDatabase } from "../support/database.ts";
import { openMigrated } from "../support/migrated.ts";

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

test("Whether the type of a key was altered is found for a role that only searches as `autoembed.key_types` finds it", async () => {
  const { client, db } = await openMigrated();
  const alterations: readonly (readonly [from: string, to: string, isAltered: boolean])[] = [
    ["smallint", "bigint", false],
    ["text", "varchar(20)", false],
    ["varchar(20)", "varchar(30)", false],
    ["integer", "text", true],
    ["uuid", "text", true],
    ["char(3)", "char(5)", true],
    ["numeric(5,0)", "numeric(5,2)", true],
  ];
  for (const [i, [from, to]] of alterations.entries())
    await client.query(`create table altered_${i} (id ${from} primary key, body text, embedding vector(8));
      select autoembed.watch('altered_${i}', 'body');
      alter table altered_${i} alter id type ${to}`);
  const { rows } = await client.query<{ name: string; is_altered: boolean }>(
    "select name, key_types <> autoembed.key_types(s) as is_altered from autoembed.embedding_source s order by id",
  );
  const found = (await readSources(db)).map((row) => ({ name: row.name, is_altered: row.has_altered_key }));
  expect(found).toEqual(rows);
  expect(found.slice(1).map(({ is_altered }) => is_altered)).toEqual(
    alterations.map(([, , isAltered]) => isAltered),
  );
});
