import { describe, expect, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { vectorIndexes } from "../../src/search/vector-index.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import type { Source } from "../../src/sources/source.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { find } from "../support/searching.ts";

async function prepared(rows = 200) {
  const on = await prepare();
  const listener = await on.listen();
  await on.client.query(
    "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, $1::int) i",
    [rows],
  );
  await listener.whenDrained();
  await listener.stop();
  return on;
}

async function withSource<T>(
  url: string,
  use: (db: Database, source: Source) => Promise<T>,
  name = "patient_embeddings",
): Promise<T> {
  const db = connect({ databaseUrl: url, maxConnections: 2, ownSessions: true });
  try {
    const [source] = await chooseSources(db, name);
    if (source === undefined) throw new Error("no source");
    return await use(db, source);
  } finally {
    await db.destroy();
  }
}

const keys = (rows: readonly { key: string }[]): string[] => rows.map(({ key }) => key);

describe("Searches find the nearest rows", () => {
  test("A search finds the nearest rows, from TypeScript and from SQL alike", async () => {
    const { client, database } = await prepared();
    const vector = oracleVector("patient 42", DIMENSIONS);
    const found = await withSource(database.url, (db) =>
      find(db, "patient_embeddings", "patient 42", { limit: 60 }),
    );
    const { rows } = await client.query<{ key: string; distance: number }>(
      "select * from autoembed.search('patient_embeddings', $1::vector, 60)",
      [JSON.stringify([...vector])],
    );

    expect(found).toHaveLength(60);
    expect(found[0]).toMatchObject({ key: "42", text: null });
    expect(found[0]?.distance).toBeCloseTo(0, 5);
    expect(keys(rows)).toEqual(keys(found));
    await expect(client.query("select * from autoembed.search('nothing', '[1]', 5)")).rejects.toThrow(
      /no source is called/,
    );
  });

  test(
    "A search condition filters by the table's own columns, and one that is no SQL is refused",
    { timeout: 180_000 },
    async () => {
      const on = await prepared();
      const found = await withSource(on.database.url, (db) =>
        find(db, "patient_embeddings", "patient 42", { limit: 5, where: "patient_id between 100 and 103" }),
      );
      expect(keys(found).sort()).toEqual(["100", "101", "102", "103"]);

      const command = runCommand(["search", "patient 7", "--where", "no_such_column > 1"], on.environment);
      expect(await command.exited).toBe(2);
      expect(command.stderr()).toContain('column "no_such_column" does not exist');
    },
  );

  test("Hybrid search puts a row with the query's words first, whatever its vector", async () => {
    const { database } = await prepared(80);
    const found = await withSource(database.url, (db) =>
      find(db, "patient_embeddings", "patient 33 of another ward", {
        limit: 5,
        withText: true,
        hybrid: true,
      }),
    );
    expect(found[0]).toMatchObject({ key: "33", text: "patient 33" });
    expect(found[0]?.score).toBeGreaterThan(found[1]?.score ?? 1);
  });

  test("A text with more words than Postgres indexes does not keep hybrid search from other texts", async () => {
    const { client, database } = await prepared(20);
    const words = Array.from({ length: 200_000 }, (_, i) => `w${i.toString(36)}x`);
    await client.query("insert into patient_embeddings values (1000, $1, $2)", [
      words.join(" "),
      JSON.stringify([...oracleVector("long", DIMENSIONS)]),
    ]);
    const found = await withSource(database.url, (db) =>
      find(db, "patient_embeddings", "patient 13 of another ward", { limit: 5, hybrid: true }),
    );
    expect(found[0]).toMatchObject({ key: "13" });
  });

  test("A query that is searched twice is paid for once", { timeout: 180_000 }, async () => {
    const on = await prepared(20);
    const ask = async () => await runCommand(["search", "chest pain", "--json"], on.environment).exited;
    await ask();
    const texts = () => on.provider.requests.filter((request) => request.texts.includes("chest pain")).length;
    expect(texts()).toBe(1);
    await ask();
    expect(texts()).toBe(1);
  });

  test("Vectors too long for an index are refused at once with what to do, however many rows are pending", async () => {
    const { client, database } = await prepare();
    await client.query(`drop table if exists too_long; create table too_long (id int primary key, body text, embedding halfvec(4001));
      select autoembed.watch('too_long', 'body');
      insert into too_long select n, 'text ' || n from generate_series(1, 1500) n`);
    const options = {
      database: { DATABASE_URL: database.url },
      now: false,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    };
    await withSource(
      database.url,
      async (db, source) => {
        await expect(buildIndex(db, source, options)).rejects.toMatchObject({
          message: "HNSW indexes at most 4000 dimensions; too_long has 4001.",
          remedy: expect.stringContaining("npm run remodel -- too_long") as string,
        });
      },
      "too_long",
    );
    await client.query("select autoembed.unwatch('too_long')");
  });
});

describeNative("An index serves searches", "plans and concurrent builds need a native server", () => {
  test.each([
    ["patient_embeddings", DIMENSIONS, "public.vector_cosine_ops"],
    ["long_vectors", 2_500, "public.halfvec_cosine_ops"],
    ["half_vectors", 16, "public.halfvec_cosine_ops"],
  ])(
    "An index of %s is built concurrently, fits the vectors' type, and is used by searches",
    async (name, dimensions, operators) => {
      const on = await prepared(50);
      const { client, database } = on;
      await client.query(`drop table if exists long_vectors, half_vectors;
      create table long_vectors (id int primary key, body text, embedding vector(2500));
      create table half_vectors (id int primary key, body text, embedding halfvec(16));
      select autoembed.watch('long_vectors', 'body'), autoembed.watch('half_vectors', 'body')`);
      if (name !== "patient_embeddings") {
        const type = name === "half_vectors" ? "halfvec" : "vector";
        for (let i = 1; i <= 40; i++) {
          await client.query(`insert into ${name} values ($1, $2, $3::${type})`, [
            i,
            `patient ${i}`,
            JSON.stringify([...oracleVector(`patient ${i}`, dimensions)]),
          ]);
        }
      }
      await withSource(
        database.url,
        async (db, source) => {
          const options = {
            database: { DATABASE_URL: database.url },
            now: false,
            signal: new AbortController().signal,
            onProgress: () => undefined,
          };
          const first = await buildIndex(db, source, options);
          expect(first.built).toBe(true);
          expect(await buildIndex(db, source, options)).toMatchObject({ name: first.name, built: false });
          const [index] = await vectorIndexes(db, source);
          expect(index).toMatchObject({
            valid: true,
            method: "hnsw",
            operators,
          });

          const found = await find(db, name, "patient 7", { limit: 3 }, dimensions);
          expect(found[0]).toMatchObject({ key: "7" });
          expect(
            await indexScans(client, first.name, async () => {
              await client.query("set enable_seqscan = off");
              await client.query(`select * from autoembed.search('${name}', $1::vector, 3)`, [
                JSON.stringify([...oracleVector("patient 9", dimensions)]),
              ]);
            }),
          ).toBeGreaterThan(0);
        },
        name,
      );
      await client.query(
        `drop index if exists patient_embeddings_embedding_idx; select autoembed.unwatch('long_vectors'), autoembed.unwatch('half_vectors')`,
      );
    },
  );

  test("A search gives more rows than its index returns at once", { timeout: 180_000 }, async () => {
    const { client, database } = await prepared(0);
    await client.query(`insert into patient_embeddings
      select i, 'patient ' || i, (select array_agg(random() - 0.5) from generate_series(1, ${DIMENSIONS}) where i > 0)::vector
      from generate_series(1, 1500) i`);
    await client.query(
      "create index by_hand on patient_embeddings using hnsw (embedding vector_cosine_ops); analyze patient_embeddings",
    );
    // Makes a plan with the index the cheapest wherever one is possible.
    const name = new URL(database.url).pathname.slice(1);
    await client.query(`alter database ${name} set seq_page_cost = 10000; set seq_page_cost = 10000`);
    try {
      const vector = oracleVector("patient 42", DIMENSIONS);
      const sql = async (k: number) =>
        (
          await client.query("select key from autoembed.search('patient_embeddings', $1::vector, $2)", [
            JSON.stringify([...vector]),
            k,
          ])
        ).rowCount;
      await withSource(database.url, async (db) => {
        for (const limit of [1000, 1001, 1500]) {
          expect(await find(db, "patient_embeddings", "patient 42", { limit })).toHaveLength(limit);
          expect(await sql(limit)).toBe(limit);
        }
      });
      expect(await indexScans(client, "by_hand", () => sql(1000))).toBeGreaterThan(0);
      expect((await client.query("show enable_indexscan")).rows).toEqual([{ enable_indexscan: "on" }]);
    } finally {
      await client.query(`alter database ${name} reset seq_page_cost; drop index by_hand`);
    }
  });
});

/** How often an index was scanned while `work` ran. */
async function indexScans(
  client: { query: (text: string) => Promise<{ rows: unknown[] }> },
  name: string,
  work: () => Promise<unknown>,
): Promise<number> {
  const scans = async (): Promise<number> => {
    const { rows } = await client.query(
      `select pg_stat_get_xact_numscans('${name}'::regclass)::int as scans`,
    );
    return (rows[0] as { scans: number }).scans;
  };
  await client.query("begin");
  const before = await scans();
  await work();
  const after = await scans();
  await client.query("commit");
  return after - before;
}
