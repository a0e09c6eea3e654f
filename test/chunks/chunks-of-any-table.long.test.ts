import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { splitText } from "../../src/chunks/split-text.ts";
import { verifyChunks } from "../../src/verify/verify-chunks.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { choose } from "../../src/sources/choose-sources.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { find } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

const SPLIT = { chunk: 60, overlap: 0, unit: "characters" } as const;
const { signal } = new AbortController();

const LONG =
  "The first sentence is about a printer. The second is about a forgotten password. The third is of cats.";
const OTHER = "Another text begins so. It says nothing of printers, but of rivers and of boats on them.";

const TABLES: readonly {
  readonly what: string;
  readonly create: string;
  /** Key columns of the two rows, as SQL. */
  readonly keys: readonly [string, string];
  readonly columns: string;
  readonly rekey: string;
  /** The key of the second row after `rekey`, as the queue writes it. */
  readonly found: string;
  readonly options?: Partial<WatchOptions>;
}[] = [
  {
    what: "a halfvec column",
    create: "create table app.docs (id int primary key, body text)",
    columns: "id",
    keys: ["1", "2"],
    rekey: "update app.docs set id = 3 where id = 2",
    found: "3",
    options: { type: "halfvec" },
  },
  {
    what: "a composite key with odd values",
    create: `create table app.docs ("Tenant" text, number int, body text, primary key ("Tenant", number))`,
    columns: `"Tenant", number`,
    keys: [`'a "b", c', 1`, `'a', 2`],
    rekey: `update app.docs set "Tenant" = 'b', number = 7 where number = 2`,
    found: '["b", "7"]',
  },
  {
    what: "a partitioned table, a row moving between its partitions",
    create: `create table app.docs (id int, at date, body text, primary key (id, at)) partition by range (at);
      create table app.docs_1 partition of app.docs for values from ('2025-01-01') to ('2025-02-01');
      create table app.docs_2 partition of app.docs for values from ('2025-02-01') to ('2025-03-01')`,
    columns: "id, at",
    keys: ["1, '2025-01-05'", "2, '2025-01-06'"],
    rekey: "update app.docs set at = '2025-02-07' where id = 2",
    found: '["2", "2025-02-07"]',
    options: { type: "halfvec" },
  },
];

/** Expects the chunks of exactly these texts, each with the oracle's vector, precise to at least 11 bits. */
async function expectAllTrue(client: Listening["client"], columns: string, texts: readonly string[]) {
  const { rows } = await client.query<{ body: string; passages: string[]; vectors: string[] }>(
    `select d.body, array_agg(p.passage order by p.chunk) as passages, array_agg(p.embedding::text order by p.chunk) as vectors
    from app.docs_passages p join app.docs d using (${columns}) group by ${columns}, d.body order by d.body`,
  );
  expect(rows.map(({ body }) => body)).toEqual([...texts].sort());
  for (const { body, passages, vectors } of rows) {
    expect(passages).toEqual(splitText(body, SPLIT).map(({ text }) => text));
    for (const [i, vector] of vectors.entries()) {
      const expected = oracleVector(passages[i] ?? "", DIMENSIONS);
      (JSON.parse(vector) as number[]).forEach((value, at) => {
        expect(value).toBeCloseTo(expected[at] ?? Number.NaN, 2);
      });
    }
  }
  const count = await client.query<{ count: number }>("select count(*)::int from app.docs_passages");
  expect(count.rows[0]?.count).toBe(rows.flatMap(({ passages }) => passages).length);
}

test.each(TABLES)("Chunks of $what follow its rows, and are found by searches", async (given) => {
  const { create, columns, keys, rekey, found, options } = given;
  const { client, database, environment, listen } = await prepare();
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  await watch(db, config, {
    table: "app.docs",
    text: "body",
    into: "docs_passages",
    chunks: SPLIT,
    ...options,
  });
  const listener = await listen();

  await client.query(`insert into app.docs (${columns}, body) values (${keys[0]}, $1), (${keys[1]}, $2)`, [
    LONG,
    OTHER,
  ]);
  await listener.whenDrained();
  await expectAllTrue(client, columns, [LONG, OTHER]);
  await client.query("update app.docs set body = $1 || ' And more.' where body = $1", [LONG]);
  await client.query(rekey);
  await listener.whenDrained();
  await expectAllTrue(client, columns, [`${LONG} And more.`, OTHER]);

  const chosen = await choose(db, "app.docs");
  const [source] = chosen.sources;
  const [chunkedSource] = chosen.chunked;
  if (source === undefined || chunkedSource === undefined) throw new Error("nothing is cut");
  expect(await verifyChunks(db, chunkedSource, { sample: 10, signal })).toMatchObject({
    ok: true,
    sampled: 2,
  });
  const building = {
    database: { DATABASE_URL: database.url },
    now: true,
    onProgress: () => undefined,
    signal,
  };
  expect(await buildIndex(db, source, building)).toMatchObject({ built: true });
  const passage = splitText(OTHER, SPLIT)[1]?.text ?? "";
  const best = { key: found, chunk: { number: 2 } };
  const asked = { limit: 5, withText: true };
  expect(await find(db, "app.docs", passage, asked)).toMatchObject([{ ...best, text: passage }, {}]);
  expect(await find(db, "app.docs", "rivers", { ...asked, hybrid: true })).toMatchObject([
    { key: found },
    {},
  ]);
  const where = { ...asked, where: "body like 'Another%'" };
  expect(await find(db, "app.docs", passage, where)).toMatchObject([best]);
  const inSql = await client.query("select key, chunk from autoembed.search('app.docs', $1::vector, 5)", [
    JSON.stringify([...oracleVector(passage, DIMENSIONS)]),
  ]);
  expect(inSql.rows[0]).toEqual({ key: found, chunk: 2 });

  await client.query("delete from app.docs where body = $1", [OTHER]);
  await listener.whenDrained();
  await expectAllTrue(client, columns, [`${LONG} And more.`]);
});
