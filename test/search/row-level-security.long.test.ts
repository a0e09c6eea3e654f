import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { findLanguage } from "../../src/search/words/word-index.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { nameIn, role } from "../support/roles.ts";
import { find, questionProvider } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

const QUESTION = "chest pain at night";

/** A role that sees rows of tenant b alone, of a table and of what is next to it. */
async function tenant(
  { client, database }: Pick<Listening, "client" | "database">,
  table: string,
  more: string,
) {
  const url = await role(client, database.url, "tenant");
  await client.query(`
    alter table ${table} enable row level security;
    create policy own on ${table} to ${nameIn(url)} using (tenant = 'b');
    grant select on ${table}${more} to ${nameIn(url)};
    select autoembed.grant_search('${nameIn(url)}')`);
  const db = connect({ databaseUrl: url, maxConnections: 2, ownSessions: true });
  onTestFinished(async () => {
    await db.destroy();
    await client.query(`drop table ${table} cascade`);
  });
  const session = new pg.Client(url);
  await session.connect();
  onTestFinished(() => session.end());
  return { db, session };
}

const keys = (hits: readonly { readonly key: string }[]): number[] => hits.map(({ key }) => Number(key));

/** 400 notes of tenant a that are nearer to the question than the 20 of tenant b, 401 to 420. */
async function notes({ client }: Listening, vectors: string): Promise<void> {
  await client.query(`
    drop table if exists public.notes, public.notes_vectors cascade;
    create table public.notes (id bigint primary key, tenant text, body text, code text, embedding vector(${DIMENSIONS}));
    create table public.notes_vectors (id bigint primary key references public.notes on delete cascade on update cascade,
      embedding vector(${DIMENSIONS}));
    select autoembed.watch('public.notes', 'body', source_name => 'notes'${vectors})`);
  await client.query(
    `insert into public.notes select n, case when n <= 400 then 'a' else 'b' end, 'chest pain ' || n, n::text,
      $1::vector + array_fill(n::real / 400, '{${DIMENSIONS}}')::vector from generate_series(1, 420) n`,
    [`[${oracleVector(QUESTION, DIMENSIONS).join(",")}]`],
  );
  await client.query(`
    insert into public.notes_vectors select id, embedding from public.notes on conflict (id) do update set embedding = excluded.embedding;
    create index on public.notes using hnsw (embedding vector_cosine_ops);
    create index on public.notes_vectors using hnsw (embedding vector_cosine_ops);
    create index on public.notes using gin (to_tsvector('english', body));
    create index on public.notes (tenant);
    analyze public.notes, public.notes_vectors`);
}

/** 60 documents of tenant a, and two of tenant b: 100 and 101. */
async function documents() {
  const on = await prepareChunkedDocuments(
    "create table app.documents (id bigint primary key, tenant text default 'a', body text)",
  );
  await on.watch();
  const listener = await on.listen();
  await on.client.query(
    "insert into app.documents (id, body) select n, $1 || n from generate_series(1, 60) n",
    [prose(8)],
  );
  await on.client.query("insert into app.documents values (100, 'b', $1), (101, 'b', $1)", [prose(8, "b")]);
  await listener.whenDrained();
  return on;
}

describeNative("A role that row-level security shows some rows", "needs roles of its own", () => {
  test.each([
    ["in the table", ""],
    ["in a table of their own", ", vector_table => 'public.notes_vectors'"],
  ])(
    "finds as many of its own rows as it asks for, and no other row, with vectors %s",
    async (_where, vectors) => {
      const on = await prepare();
      await notes(on, vectors);
      const { db, session } = await tenant(on, "public.notes", ", public.notes_vectors");
      const own = Array.from({ length: 20 }, (_, i) => 401 + i);
      for (const way of [{ hybrid: false }, { hybrid: true }, {}]) {
        const found = await find(db, "notes", QUESTION, { ...way, limit: 15, withText: true });
        expect(found).toHaveLength(15);
        expect(found.every(({ text }) => own.some((id) => text === `chest pain ${id}`))).toBe(true);
        expect(keys(await find(db, "notes", QUESTION, { ...way, limit: 50 })).toSorted()).toEqual(own);
      }
      expect(keys(await find(db, "notes", { like: 401 }, { limit: 50 })).toSorted()).toEqual(own.slice(1));
      // An index of the words is used for no role that policies bind.
      const searcher = new Searcher({
        db,
        providerOf: () => Promise.resolve(questionProvider(DIMENSIONS)),
        timeoutMs: 10_000,
      });
      expect((await searcher.search("notes", QUESTION, {})).rankedBy).toBe("meaning");
      // The same in SQL.
      const { rows } = await session.query<{ key: string }>(
        "select key from autoembed.search('notes', $1::vector, 50)",
        [`[${oracleVector(QUESTION, DIMENSIONS).join(",")}]`],
      );
      expect(keys(rows).toSorted()).toEqual(own);
    },
  );

  test("has the words of its questions in the language of the index, which it does not use", async () => {
    const on = await prepare();
    await notes(on, "");
    await on.client.query(`drop index public.notes_to_tsvector_idx;
      create index on public.notes using gin (to_tsvector('simple', body))`);
    const { db } = await tenant(on, "public.notes", "");
    const { usualLanguage, wordIndexes } = await loadSearched(db, "notes");
    expect(wordIndexes).toEqual([]);
    expect(usualLanguage).toBe(await findLanguage(db, "simple"));
  });

  test("learns of a hidden row neither by its key nor by an error, and of an empty answer why, as if there were no other rows", async () => {
    const on = await prepare();
    await notes(on, "");
    await on.client.query("update public.notes set code = 'no number' where id = 7");
    const { db } = await tenant(on, "public.notes", "");
    const said = async (question: Parameters<typeof find>[2]) =>
      await find(db, "notes", question, { limit: 5 }).then(
        () => "nothing",
        (error: unknown) => String(error),
      );
    expect(await said({ like: 7 })).toBe(await said({ like: 7_000_000 }));
    expect(await said({ like: 7 })).toContain("no row with that key");
    // A condition that raises for the hidden row is never asked about it.
    const found = await find(db, "notes", QUESTION, { limit: 50, where: "code::int > 410" });
    expect(keys(found).toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => 411 + i));
    await on.client.query("update public.notes set tenant = 'a'");
    const searcher = new Searcher({
      db,
      providerOf: () => Promise.resolve(questionProvider(DIMENSIONS)),
      timeoutMs: 10_000,
    });
    for (const hybrid of [false, true])
      expect(await searcher.search("notes", QUESTION, { hybrid })).toMatchObject({
        hits: [],
        notice: "notes has no embedded rows yet.",
      });
  });

  test("is shown no hidden row's chunk by a searcher that has searched before rows were hidden", async () => {
    const on = await documents();
    await on.client.query("grant usage on schema app to public");
    const { db } = await tenant(on, "app.documents", ", app.documents_passages");
    const searcher = new Searcher({
      db,
      providerOf: () => Promise.resolve(questionProvider(DIMENSIONS)),
      timeoutMs: 10_000,
    });
    const found = async () =>
      keys((await searcher.search("app.documents", prose(2), { hybrid: false, limit: 5 })).hits).toSorted();
    await on.client.query("alter table app.documents disable row level security");
    expect(await found()).not.toEqual([100, 101]);
    await on.client.query("alter table app.documents enable row level security");
    expect(await found()).toEqual([100, 101]);
    // The policies hide rows or not, while row-level security stays.
    await on.client.query("create policy every on app.documents using (true)");
    expect(await found()).not.toEqual([100, 101]);
    await on.client.query("create policy others on app.documents as restrictive using (tenant = 'b')");
    expect(await found()).toEqual([100, 101]);
  });

  test("finds its own rows by their chunks, and learns of no other row's", async () => {
    const on = await documents();
    await on.client.query("grant usage on schema app to public");
    const { db } = await tenant(on, "app.documents", ", app.documents_passages");
    for (const hybrid of [false, true])
      expect(keys(await find(db, "app.documents", prose(2), { hybrid, limit: 5 })).toSorted()).toEqual([
        100, 101,
      ]);
    await on.client.query("update app.documents set tenant = 'a'");
    const searcher = new Searcher({
      db,
      providerOf: () => Promise.resolve(questionProvider(DIMENSIONS)),
      timeoutMs: 10_000,
    });
    expect(await searcher.search("app.documents", prose(2), { hybrid: false })).toMatchObject({
      hits: [],
      notice: "app.documents has no embedded rows yet.",
    });
  });
});
