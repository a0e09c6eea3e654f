import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { findPgvector } from "../../src/database/pgvector.ts";
import { VectorArray } from "../../src/database/vector-array.ts";
import { readConfig } from "../../src/config.ts";
import { claim } from "../../src/queue/claim.ts";
import { claimPage } from "../../src/queue/claim-page.ts";
import { writeCached } from "../../src/queue/write-cached.ts";
import { writeBack } from "../../src/queue/write-back.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { watch } from "../../src/watch/watch.ts";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { serverVersion } from "../support/server-version.ts";
import { lendingOf } from "../support/test-lending.ts";

const PENDING = 100_000;
const MODEL = "test/model@8";
const MODEL_ID = 1;
const ONE_SESSION = "the embedded server has one session for all, which makes plans each time";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await openTestDatabase({ dimensions: 8 });
});
afterEach(async () => {
  await db.destroy();
  await database.close();
});

/** Opens `db` and prepares the statements while the tables have so many rows, as of an analyze. */
async function open(plans: "kept" | "made", rows: 0 | 1, into?: string): Promise<void> {
  db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true, plans });
  if (into !== undefined) {
    const config = { ...readConfig({ EMBEDDING_DIM: "8" }), DATABASE_URL: database.url };
    await watch(db, config, { table: "patient_embeddings", text: "context_text", into, name: into });
  }
  // This index has all that a claim reads: a planner that misjudges sizes would scan all of it.
  await sql`create index by_patient on public.patient_embeddings (patient_id, context_text)`.execute(db);
  await fill(1, rows);
  await sql`analyze`.execute(db);
  await prepareStatements(into ?? "patient_embeddings");
}

describe("The statements of a batch, prepared on empty tables, have the plans that are set", () => {
  test.for(["kept", "made"] as const)(
    "A batch prepared on empty tables has %s plans",
    async (plans, context) => {
      await open(plans, 0);
      if (database.engine === "embedded" && plans === "kept") context.skip(ONE_SESSION);
      const { rows } = await sql<{ kept: number; made: number }>`
      select generic_plans::int as kept, custom_plans::int as made
      from pg_prepared_statements where statement like '%autoembed.embedding_queue%'`.execute(db);
      expect(rows).toHaveLength(8);
      for (const used of rows) {
        expect(used[plans]).toBeGreaterThan(5);
        expect(used[plans === "kept" ? "made" : "kept"]).toBe(0);
      }
    },
  );
});

describe.each([
  { rowsAtFirst: 0, apart: false },
  { rowsAtFirst: 1, apart: false },
  { rowsAtFirst: 0, apart: true },
  { rowsAtFirst: 1, apart: true },
] as const)(
  "The statements of a batch find their rows by an index, whatever the size at which they were prepared",
  ({ rowsAtFirst, apart }) => {
    test.for([
      ["kept", "never analyzed since"],
      ["kept", "analyzed"],
      ["made", "never analyzed since"],
      ["made", "analyzed"],
    ] as const)(
      `The statements of a batch, prepared on ${rowsAtFirst} rows${apart ? ", vectors in their own table" : ""}, find their rows one by one among 100,000 pending and as many cached ones, with plans that are %s, %s`,
      async ([plans, analyzed], context) => {
        await open(plans, rowsAtFirst, apart ? "patient_vectors" : undefined);
        if (database.engine === "embedded" && plans === "kept") context.skip(ONE_SESSION);
        if (
          analyzed !== "analyzed" &&
          plans === "made" &&
          (rowsAtFirst === 1 || (await serverVersion(db)) < 17)
        ) {
          context.skip(
            "a queue that had one row when it was analyzed, before Postgres 17 any, is read by its source until it is again",
          );
        }
        await fill(2, PENDING);
        if (analyzed === "analyzed") await sql`analyze`.execute(db);
        for (const rows of [1, 128]) {
          const planned = await plansOfABatch(rows);
          // Of vectors in their own table, no page is read by a kept plan.
          expect(planned).toHaveLength(apart ? 7 : 8);
          for (const plan of planned) {
            expectLookups(plan);
            // The table stays empty, so a plan that is made for it may read all of it.
            if (plans === "kept") expect(plan).not.toMatch(/Seq Scan on patient_vectors/);
          }
        }
      },
    );
  },
);

/** Patients from `first` to `last`, pending, and as many texts in the cache. */
async function fill(first: number, last: number): Promise<void> {
  await sql`insert into public.patient_embeddings (patient_id, context_text)
    select n, 'note ' || n from generate_series(${first}::int, ${last}::int) n`.execute(db);
  await sql`insert into autoembed.embedding_cache (model, text_hash, embedding)
    select ${MODEL}, sha256(convert_to(n::text, 'UTF8')), '[1,0,0,0,0,0,0,0]'
    from generate_series(${first}::int, ${last}::int) n`.execute(db);
  await sql`insert into autoembed.embedding_ledger (source_id, model_id, text_hash, vector_hash, key)
    select 1, ${MODEL_ID}, sha256(convert_to(n::text, 'UTF8')), '', n::text
    from generate_series(${first}::int, ${last}::int) n`.execute(db);
}

/** Expects each large table to be read by ctid, or by an index with its whole key as the condition. */
function expectLookups(plan: string): void {
  const isOfPage = plan.includes("CTE stale");
  if (!isOfPage) expect(plan).toMatch(/Tid Scan on embedding_queue/);
  expect(plan).toMatch(/Index Scan (using|on) (patient_embeddings_pkey|by_patient)/);
  if (plan.includes("CTE oldest")) expect(plan).toMatch(/Index Scan using embedding_queue_pending/);
  expect(plan).not.toMatch(
    /Seq Scan on (embedding_queue|embedding_cache|embedding_ledger|patient_embeddings)/,
  );
  expect(plan).not.toMatch(/JIT/);
  const lines = plan.split("\n");
  for (const [i, line] of lines.entries()) {
    const index = /Index (?:Only )?Scan (?:Backward )?using (\w+)/.exec(line)?.[1];
    if (index === undefined) continue;
    const condition = lines[i + 1] ?? "";
    if (index === "embedding_cache_pkey") expect(condition).toMatch(/Index Cond: .*text_hash = /);
    if (index === "embedding_ledger_text") expect(condition).toMatch(/Index Cond: .*text_hash = /);
    if (index === "embedding_ledger_pkey") expect(condition).toMatch(/Index Cond: .*source_id = .*key = /);
    if (index === "embedding_queue_pending") expect(condition).toMatch(/Index Cond: .*ticket > /);
    if (/^(by_patient|patient_(embeddings|vectors)_pkey)$/.test(index))
      expect(condition).toMatch(/Index Cond: .*patient_id (= |> .*patient_id <= )/);
    if (index === "embedding_queue_pkey") expect(condition).toMatch(/Index Cond: .*source_id = .*key = /);
  }
}

/** Runs each statement more often than Postgres makes custom plans (five) before it may keep a generic one. */
async function prepareStatements(name: string): Promise<void> {
  const [source] = await chooseSources(db, name);
  if (source === undefined) throw new Error("the migration watches a table");
  const vectors = new VectorArray(1, 8);
  vectors.setFloats(0, [1, 0, 0, 0, 0, 0, 0, 0]);
  const pgvector = await findPgvector(db);
  const lending = lendingOf(source, MODEL, MODEL_ID);
  for (let run = 0; run < 8; run++) {
    await claim(db, source, {
      owner: 1,
      limit: 128,
      head: 0n,
      tail: 0n,
      lending,
      maxCharacters: 100,
    });
    const page = {
      id: "1",
      owner: 1,
      after: ["0"],
      upto: ["9"],
      position: ["0"],
      attempts: 0,
      all_since: null,
    };
    const unread = { ...page, isRead: false, rows: 0, done: 0, isIncomplete: false };
    if (source.vectorTable === null)
      await claimPage(db, source, unread, { limit: 128, lending, maxCharacters: 100 });
    const rows = ["(9999999,1)", null].map((ctid, i) => ({ ticket: String(i), ctid, key: "0", position: 0 }));
    await writeCached(db, source, { rows, lending });
    const hashes = [`0${String(run)}`];
    await writeBack(db, source, { rows, hashes, vectors, ledgerModel: lending.model, pgvector });
  }
}

async function plansOfABatch(rows: number): Promise<string[]> {
  const { rows: statements } = await sql<{ name: string; statement: string }>`
    select name, statement from pg_prepared_statements where statement like '%autoembed.embedding_queue%'`.execute(
    db,
  );
  const plans: string[] = [];
  const numbers = Array.from({ length: rows }, (_, i) => i + 1);
  const tickets = `'{${numbers.join()}}'`;
  const places = `'{${numbers.map((n) => `"(0,${n})"`).join()}}'`;
  const hashes = `array_fill(sha256('x'), array[${rows}])`;
  for (const { name, statement } of statements) {
    const values = statement.includes("stale as materialized")
      ? `1, ${rows}, null, '{5}', '${MODEL}', 100, '{1}', '{1}', '{${MODEL}}', '{90000}'`
      : statement.includes("reserve_texts")
        ? `1, ${rows}, 0, ${PENDING}, '${MODEL}', 100, '{1}', '{1}', '{${MODEL}}'`
        : statement.includes("present as materialized")
          ? `${tickets}, ${places}, ${tickets}, ${hashes}, 1, '${MODEL}', ${tickets}, ${hashes}, null`
          : `${tickets}, ${places}, 1, ${statement.includes("$4::int[]") ? "'{1}'" : `'{${MODEL}}'`}, ${tickets}`;
    const { rows: lines } = await sql
      .raw<{ "QUERY PLAN": string }>(`explain execute "${name}" (${values})`)
      .execute(db);
    plans.push(lines.map((line) => line["QUERY PLAN"]).join("\n"));
  }
  return plans;
}
