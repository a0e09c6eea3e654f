import { expect, onTestFinished, test, vi } from "vitest";
import { openPool } from "../../src/database/pools.ts";
import { erase, type Erased } from "../../src/erase/erase.ts";
import { createListener } from "../../src/listener/listener.ts";
import { watch } from "../../src/application.ts";
import { describeNative } from "../support/database.ts";
import { prepareLeaving, type Leaving } from "../support/leaving.ts";
import { session } from "../support/roles.ts";

vi.setConfig({ testTimeout: 180_000 });

async function prepare() {
  const on = await prepareLeaving();
  const db = openPool("command", on.config);
  onTestFinished(() => db.destroy());
  const eraseKeys = (
    source: string,
    keys: readonly string[],
    more: { keepsText?: true; isDryRun?: true } = {},
  ) => erase(db, { source, keys, keepsText: false, isDryRun: false, ...more });
  return { ...on, eraseKeys };
}

/** How many entries of ours name the key, or hold the vector of the text. */
async function traces({ client }: Pick<Leaving, "client">, key: string, texts: readonly string[]) {
  const { rows } = await client.query<Record<string, number>>(
    `with hashes as (select sha256(convert_to(t, 'UTF8')) as hash from unnest($2::text[]) t)
     select (select count(*)::int from autoembed.embedding_queue where key = $1) as queued,
       (select count(*)::int from autoembed.embedding_ledger where key = $1 or text_hash in (select hash from hashes)) as ledger,
       (select count(*)::int from autoembed.embedding_cache where key = $1 or text_hash in (select hash from hashes)) as cached,
       (select count(*)::int from autoembed.embedding_reservation where text_hash in (select hash from hashes)) as reserved`,
    [key, texts],
  );
  return rows[0];
}

const NONE = { queued: 0, ledger: 0, cached: 0, reserved: 0 };

function removedOf({ rows }: Erased) {
  return rows.map(({ key, row, removed }) => ({ key, row, ...removed }));
}

test("A text that was set to null: its vector, and those of its former texts, are erased; a dry run changes nothing", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (17, 'asthma'), (18, 'gout')");
  await on.drain();
  await on.client.query("update patient_embeddings set context_text = 'severe asthma' where patient_id = 17");
  await on.drain();
  await on.client.query("update patient_embeddings set context_text = ' ' where patient_id = 17");
  const before = await traces(on, "17", ["asthma", "severe asthma"]);
  expect(before).toMatchObject({ queued: 1, ledger: 1, cached: 1 });

  const removed = [
    {
      key: "17",
      row: "without text",
      vectors: 1,
      chunks: 0,
      ledger: 1,
      cached_vectors: 1,
      queued: 1,
      failures: 0,
      reservations: 0,
    },
  ];
  expect(removedOf(await on.eraseKeys("patient_embeddings", ["017"], { isDryRun: true }))).toEqual(removed);
  expect(await traces(on, "17", ["asthma", "severe asthma"])).toEqual(before);

  expect(removedOf(await on.eraseKeys("patient_embeddings", ["017"]))).toEqual(removed);
  expect(await traces(on, "17", ["asthma", "severe asthma"])).toEqual(NONE);
  await on.drain();
  expect(await traces(on, "17", ["asthma", "severe asthma"])).toEqual(NONE);
  const { rows } = await on.client.query(
    "select patient_id::int, embedding is null as empty from patient_embeddings order by 1",
  );
  expect(rows).toEqual([
    { patient_id: 17, empty: true },
    { patient_id: 18, empty: false },
  ]);
});

test("A row that still has its text is refused, with nothing erased; --keep-text erases what was made from it", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (17, 'asthma')");
  await on.drain();
  await expect(on.eraseKeys("patient_embeddings", ["16", "17"])).rejects.toThrow(
    "a row of patient_embeddings still has its text (key 17)",
  );
  expect(await traces(on, "17", ["asthma"])).toMatchObject({ ledger: 1 });
  expect(removedOf(await on.eraseKeys("patient_embeddings", ["17"], { keepsText: true }))).toMatchObject([
    { row: "with text", vectors: 1, ledger: 1 },
  ]);
  expect(await traces(on, "17", ["asthma"])).toEqual(NONE);
  const { rows } = await on.client.query("select context_text, embedding from patient_embeddings");
  expect(rows).toEqual([{ context_text: "asthma", embedding: null }]);
});

test("A cached vector of the same text goes, unless another row has that text", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (17, 'asthma'), (18, 'gout'), (19, 'gout')");
  await on.drain();
  const cache = `insert into autoembed.embedding_cache (model, text_hash, embedding, source_id, key)
    select 'another model', sha256(convert_to($1, 'UTF8')), '[1,2,3]', 1, '99'`;
  await on.client.query(cache, ["asthma"]);
  await on.client.query(cache, ["gout"]);
  await on.client.query("update patient_embeddings set context_text = '' where patient_id in (17, 18)");
  expect(removedOf(await on.eraseKeys("patient_embeddings", ["17", "18"]))).toMatchObject([
    { key: "17", cached_vectors: 1 },
    { key: "18", cached_vectors: 0 },
  ]);
});

test("A row that was deleted without its triggers leaves nothing either, nor does the reason of its failure", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (17, 'asthma')");
  await on.drain();
  await on.client.query(`update patient_embeddings set context_text = 'changed' where patient_id = 17;
    update autoembed.embedding_queue set failed_at = now(), last_error = 'refused';
    alter table patient_embeddings disable trigger user; delete from patient_embeddings`);
  expect(removedOf(await on.eraseKeys("patient_embeddings", ["17"]))).toMatchObject([
    { row: "gone", queued: 1, failures: 1, ledger: 1 },
  ]);
  expect(await traces(on, "17", ["asthma"])).toEqual(NONE);
});

test("Vectors in a table of their own, chunks, and keys of two columns", async () => {
  const on = await prepare();
  await on.client.query(`create table letters (id bigint primary key, body text);
    create table documents (id bigint primary key, body text);
    create table visits (patient bigint, day date, body text, primary key (patient, day))`);
  await watch(on.config, { table: "letters", text: "body", into: "letter_vectors" });
  await watch(on.config, {
    table: "documents",
    text: "body",
    into: "document_chunks",
    chunks: { chunk: 50 },
  });
  await watch(on.config, { table: "visits", text: "body" });
  await on.client
    .query(`insert into letters values (1, 'a letter'); insert into visits values (12, '2026-03-01', 'a visit');
    insert into documents values (1, repeat('a sentence of some words. ', 10))`);
  await on.drain();
  await on.client.query(`update letters set body = null; update visits set body = null`);
  await on.client.query(`alter table documents disable trigger user; update documents set body = null`);

  expect(removedOf(await on.eraseKeys("letters", ["1"]))).toMatchObject([{ vectors: 1, ledger: 1 }]);
  expect(removedOf(await on.eraseKeys("visits", ['["12","2026-03-01"]']))).toMatchObject([
    { key: '["12", "2026-03-01"]', vectors: 1, ledger: 1 },
  ]);
  const [document] = removedOf(await on.eraseKeys("documents", ["1"]));
  expect(document?.chunks).toBeGreaterThan(3);
  const { rows } = await on.client.query(`
    select (select count(*)::int from letter_vectors) as letters, (select count(*)::int from document_chunks) as chunks,
      (select count(embedding)::int from visits) as visits, (select count(*)::int from autoembed.embedding_ledger) as ledger,
      (select count(*)::int from autoembed.embedding_cache) as cached, (select count(*)::int from autoembed.embedding_queue) as queued`);
  expect(rows).toEqual([{ letters: 0, chunks: 0, visits: 0, ledger: 0, cached: 0, queued: 0 }]);
});

test("A row is erased whole by a key that is written in another way than the row has it, also once it is gone", async () => {
  const on = await prepare();
  await on.client.query(`create extension if not exists citext with schema public;
    create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table people (id public.citext primary key, body text); insert into people values ('Alice@Example.org', 'alice');
    create table amounts (id numeric(10, 2), name text collate any_case, body text, primary key (id, name));
    insert into amounts values (7, 'Bob', 'bob'), (8, 'Eve', 'eve')`);
  await watch(on.config, { table: "people", text: "body" });
  await watch(on.config, { table: "amounts", text: "body" });
  await on.succeed("backfill");
  await on.client.query("update people set body = 'new'; update amounts set body = 'new ' || body");
  await on.drain();
  await on.client.query(`update people set body = null; update amounts set body = null where id = 7;
    alter table amounts disable trigger user; delete from amounts where id = 8`);
  const all = { vectors: 1, ledger: 1, cached_vectors: 1, queued: 1 };
  expect(removedOf(await on.eraseKeys("people", ["alice@example.org", "ALICE@example.org"]))).toMatchObject([
    { key: "Alice@Example.org", ...all },
  ]);
  const keys = ['["7", "bob"]', '["8", "eve"]'];
  const removed = [
    { key: '["7.00", "Bob"]', ...all },
    { row: "gone", ledger: 1, cached_vectors: 1 },
  ];
  expect(removedOf(await on.eraseKeys("amounts", keys, { isDryRun: true }))).toMatchObject(removed);
  expect(removedOf(await on.eraseKeys("amounts", keys))).toMatchObject(removed);
  const { rows } = await on.client.query(`select key from autoembed.embedding_ledger
    union all select key from autoembed.embedding_cache union all select key from autoembed.embedding_queue`);
  expect(rows).toEqual([]);
});

test("What is no key, and what is no source, is said, by the command too", async () => {
  const on = await prepare();
  await expect(on.eraseKeys("patient_embeddings", ["x"])).rejects.toThrow("which is patient_id bigint");
  await expect(on.eraseKeys("nothing", ["1"])).rejects.toThrow('No source is called "nothing"');
  expect(await on.run("erase", "--source", "patient_embeddings")).toMatchObject({ code: 2 });
  const printed = await on.succeed("erase", "--source", "patient_embeddings", "--key", "5");
  expect(printed).toContain("patient_embeddings, key 5 (row gone): nothing was held");
  expect(printed).toContain("backups, until they expire");
  const json = await on.succeed(
    "erase",
    "--source",
    "patient_embeddings",
    "--key",
    "5",
    "--dry-run",
    "--json",
  );
  expect(JSON.parse(json)).toMatchObject({
    dry_run: true,
    rows: [{ key: "5", row: "gone", in_flight: false }],
  });
});

test("A reservation of a text goes, unless another row with that text is being embedded", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (17, 'asthma'), (18, 'gout'), (19, 'gout')");
  await on.client.query(`
    insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
    select sha256(convert_to(t.context_text, 'UTF8')), 'a model', q.ticket, 1
    from autoembed.embedding_queue q join patient_embeddings t on q.key = t.patient_id::text where q.key in ('17', '19')`);
  const erased = await on.eraseKeys("patient_embeddings", ["17", "18"], { keepsText: true });
  expect(removedOf(erased)).toMatchObject([
    { key: "17", queued: 1, reservations: 1 },
    { key: "18", queued: 1, reservations: 0 },
  ]);
  expect(await traces(on, "18", ["gout"])).toMatchObject({ reserved: 1 });
});

test("Nothing is erased, and nothing is said to be, while a source that has a part of the row is broken", async () => {
  const on = await prepare();
  await on.client.query("create table documents (id bigint primary key, body text)");
  const chunks = { chunk: 50 };
  await watch(on.config, { table: "documents", text: "body", into: "document_chunks", chunks });
  await on.client.query("alter table document_chunks rename column embedding to vector");
  await expect(on.eraseKeys("documents", ["1"])).rejects.toThrow("Nothing can be erased of documents");

  const broken = (name: string) =>
    on.client.query(
      `insert into autoembed.embedding_source overriding system value select (jsonb_populate_record(s, jsonb_build_object('id', 1000, 'name', $1::text, 'vector_column', 'lost'))).*
       from autoembed.embedding_source s where s.name = 'patient_embeddings'`,
      [name],
    );
  await broken("patient_embeddings@next");
  await expect(on.eraseKeys("patient_embeddings", ["1"])).rejects.toThrow(
    "Nothing can be erased of patient_embeddings",
  );
});

test("Of a row that keeps its text, what a listener or a batch may bring back is reported", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (17, 'asthma'), (18, 'gout')");
  await on.drain();
  const inFlight = async (key: string): Promise<boolean[]> =>
    (await on.eraseKeys("patient_embeddings", [key], { keepsText: true })).rows.map((row) => row.in_flight);
  expect(await inFlight("17")).toEqual([false]);
  // Texts of queued rows are at the provider: what comes back of a row that is not queued any more is kept nowhere.
  await on.client.query(`update patient_embeddings set context_text = 'severe asthma' where patient_id = 17;
    insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
    select sha256('asthma'), m.name, 0, 1 from autoembed.embedding_source s
    join autoembed.embedding_model m on m.id = s.current_model where s.name = 'patient_embeddings'`);
  expect(await inFlight("17")).toEqual([false]);
  await on.client.query(`insert into autoembed.embedding_backfill (source_id, is_all, key_columns)
    select id, false, '{patient_id bigint}' from autoembed.embedding_source;
    insert into autoembed.embedding_batch (source_id, model_id, tag, state) select id, current_model, 'tag', 'reading' from autoembed.embedding_source;
    insert into autoembed.embedding_page (source_id, upto, batch_id, batch_keys, batch_hashes)
    select source_id, '{18}', id, '{18}', array[sha256('gout')] from autoembed.embedding_batch`);
  expect(await inFlight("18")).toEqual([true]);
  await on.client.query("update autoembed.embedding_page set batch_id = null, owner = 1");
  expect(await inFlight("18")).toEqual([true]);
});

describeNative("Erasing beside others", "needs sessions that work at the same time", () => {
  test("A row that a user holds is waited for, and goes from the queue although a listener has claimed it", async () => {
    const on = await prepare();
    await on.client.query("insert into patient_embeddings values (17, 'asthma')");
    await on.client.query("update autoembed.embedding_queue set owner = 1");
    const user = await session(on.url);
    await user.query("begin; update patient_embeddings set context_text = ''");
    const erasing = on.eraseKeys("patient_embeddings", ["17"]);
    await vi.waitFor(
      async () => {
        const { rowCount } = await on.client.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        expect(rowCount).toBeGreaterThan(0);
      },
      { timeout: 20_000, interval: 20 },
    );
    await user.query("update autoembed.embedding_queue set owner = 1; commit");
    expect(await erasing.then(({ rows }) => rows)).toMatchObject([
      { in_flight: false, removed: { queued: 1 } },
    ]);
  });

  test("The vector of a text that was cleared and erased while the provider had it is kept nowhere", async () => {
    const on = await prepare();
    const listener = createListener(on.config);
    onTestFinished(async () => {
      await listener.stop();
    });
    await listener.start();
    on.provider.latencyMs = 3_000;
    await on.client.query("insert into patient_embeddings values (17, 'asthma')");
    await expect.poll(() => on.provider.requests.some(({ texts }) => texts.includes("asthma"))).toBe(true);
    await on.client.query("update patient_embeddings set context_text = '' where patient_id = 17");
    await expect.poll(() => traces(on, "17", [])).toMatchObject({ queued: 0 });
    await on.eraseKeys("patient_embeddings", ["17"]);
    const status = () => on.provider.requests.find(({ texts }) => texts.includes("asthma"))?.status;
    expect(status()).toBe(0);
    await expect.poll(status, { timeout: 20_000 }).toBe(200);
    await listener.stop();
    expect(await traces(on, "17", ["asthma"])).toEqual(NONE);
  });
});
