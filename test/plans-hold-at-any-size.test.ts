import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect, vectorTypeOid, type Database } from "../src/database/connect.ts";
import { VectorArray } from "../src/database/vector-array.ts";
import { claim } from "../src/queue/claim.ts";
import { settleCached } from "../src/queue/settle-cached.ts";
import { writeBack } from "../src/queue/write-back.ts";
import { chooseSources } from "../src/sources/choose-sources.ts";
import { openTestDatabase, type TestDatabase } from "./support/database.ts";
import { serverVersion } from "./support/server-version.ts";

const PENDING = 100_000;
const MODEL = "test/model@8";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await openTestDatabase({ dimensions: 8 });
  db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
});
afterEach(async () => {
  await db.destroy();
  await database.close();
});

describe("the statements of a batch, prepared on an empty queue", () => {
  beforeEach(prepareOnAnEmptyQueue);

  test("are planned anew each time: a plan that was kept would read the whole of a full queue", async (context) => {
    if ((await serverVersion(db)) < 14) context.skip("before Postgres 14 nobody tells which plans were used");
    const { rows } = await sql<{ generic: number; custom: number }>`
      select generic_plans::int as generic, custom_plans::int as custom
      from pg_prepared_statements where statement like '%embedding_queue%'`.execute(db);
    expect(rows).toHaveLength(3);
    for (const { generic, custom } of rows) {
      expect(generic).toBe(0);
      expect(custom).toBeGreaterThan(5);
    }
  });

  test.for([
    ["never analyzed", false],
    ["analyzed", true],
  ] as const)(
    "find their rows by key among 100,000 that are pending and as many in the cache, %s",
    async ([, analyzed], context) => {
      if (!analyzed && (await serverVersion(db)) < 17) {
        context.skip("before Postgres 17 a queue is read by its source until it has been analyzed");
      }
      await sql`insert into patient_embeddings (patient_id, context_text)
      select n, 'note ' || n from generate_series(1, ${PENDING}::int) n`.execute(db);
      await sql`insert into embedding_cache (model, text_hash, embedding)
      select ${MODEL}, sha256(convert_to(n::text, 'UTF8')), '[1,0,0,0,0,0,0,0]' from generate_series(1, ${PENDING}::int) n`.execute(
        db,
      );
      if (analyzed) await sql`analyze`.execute(db);
      for (const rows of [1, 128]) {
        for (const plan of await plansOfABatch(rows)) {
          expect(plan).toMatch(/Index Scan using embedding_queue_pending/);
          expect(plan).not.toMatch(/Seq Scan on (embedding_queue|embedding_cache|patient_embeddings)/);
          expect(plan).not.toMatch(/Index.*Scan (using|on) embedding_queue_pkey/);
        }
      }
    },
  );
});

/** More often than Postgres tries a plan of its own for each before it may keep one for all. */
async function prepareOnAnEmptyQueue(): Promise<void> {
  const [source] = await chooseSources(db, undefined);
  if (source === undefined) throw new Error("the migration watches a table");
  const vectors = new VectorArray(1, 8);
  vectors.setFloats(0, [1, 0, 0, 0, 0, 0, 0, 0]);
  const vectorOid = await vectorTypeOid(db);
  await sql`analyze`.execute(db);
  for (let run = 0; run < 8; run++) {
    await claim(db, source, {
      owner: 1,
      limit: 128,
      head: 0n,
      tail: 0n,
      cacheModel: MODEL,
      maxCharacters: 100,
    });
    await settleCached(db, source, [], MODEL);
    await writeBack(db, source, {
      tickets: [],
      positions: [],
      hashes: [`0${String(run)}`],
      vectors,
      cacheModel: MODEL,
      vectorOid,
    });
  }
}

async function plansOfABatch(rows: number): Promise<string[]> {
  const { rows: statements } = await sql<{ name: string; statement: string }>`
    select name, statement from pg_prepared_statements where statement like '%embedding_queue%'`.execute(db);
  const plans: string[] = [];
  const tickets = `'{${Array.from({ length: rows }, (_, i) => i + 1).join()}}'`;
  const hashes = `array_fill(sha256('x'), array[${rows}])`;
  for (const { name, statement } of statements) {
    const values = statement.includes("for key share")
      ? `1, ${rows}, 0, ${PENDING}, '${MODEL}', 100`
      : statement.includes("insert into embedding_cache")
        ? `${hashes}, ${tickets}, ${tickets}, '${MODEL}', null`
        : `${tickets}, '${MODEL}'`;
    const { rows: lines } = await sql
      .raw<{ "QUERY PLAN": string }>(`explain execute "${name}" (${values})`)
      .execute(db);
    plans.push(lines.map((line) => line["QUERY PLAN"]).join("\n"));
  }
  return plans;
}
