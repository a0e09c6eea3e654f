import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { migrate } from "../../src/migrate.ts";
import { dropDeleted } from "../../src/queue/drop-deleted.ts";
import { fail, findChangedByWrite } from "../../src/queue/fail.ts";
import { freeClaims } from "../../src/queue/free-claims.ts";
import { freeOrphans } from "../../src/queue/free-orphans.ts";
import { readText } from "../../src/queue/read-text.ts";
import { release } from "../../src/queue/release.ts";
import { replaceChunks } from "../../src/queue/replace-chunks.ts";
import { separateByTicket } from "../../src/queue/shared-tickets.ts";
import { splitText } from "../../src/chunks/split-text.ts";
import { choose } from "../../src/sources/choose-sources.ts";
import { prepareChunkedDocuments, SPLIT } from "../support/chunked-documents.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

test("Where the sequence of tickets was set back, no write fails and every row gets its vector", async () => {
  const { client, provider, listen } = await prepare();
  await client.query("select setval('autoembed.embedding_ticket', 1000, false)");
  await client.query("insert into patient_embeddings select n, 'old ' || n from generate_series(1, 200) n");
  await client.query("select setval('autoembed.embedding_ticket', 1000, false)");
  await client.query(`insert into patient_embeddings values (501, 'one');
    insert into patient_embeddings select n, 'new ' || n from generate_series(601, 750) n;
    update patient_embeddings set context_text = 'changed' where patient_id = 150`);
  const { rows } = await client.query<{ shared: number }>(
    "select count(*)::int - count(distinct ticket)::int as shared from autoembed.embedding_queue",
  );
  expect(rows[0]?.shared).toBeGreaterThan(100);

  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(60_000));
  expect(await wrongRows(client)).toEqual([]);
  const sent = provider.requests.flatMap(({ texts }) => texts).filter((text) => /^(old|new) /.test(text));
  expect(sent.length).toBe(new Set(sent).size);
  const left = async (): Promise<unknown[]> =>
    (
      await client.query<object>(
        "select key from autoembed.embedding_queue union all select ticket::text from autoembed.embedding_reservation",
      )
    ).rows;
  await expect.poll(left, { timeout: 30_000 }).toEqual([]);
});

test("Of rows that share a ticket, among themselves or with a held row, one keeps it; a row that is named twice is one row", () => {
  const row = (ticket: string, key: string) => ({ ticket, key, ctid: null, age_ms: 0 });
  const rows = [row("1", "a"), row("1", "b"), row("2", "c"), row("2", "c"), row("3", "d")];
  const { own, shared } = separateByTicket(rows, (ticket) => (ticket === "3" ? "held" : undefined));
  expect(own.map(({ key }) => key)).toEqual(["a", "c", "c"]);
  expect(shared.map(({ key }) => key)).toEqual(["b", "d"]);
});

test("`migrate` sets the sequences that are behind their tables, and no other", async () => {
  const { client, database } = await prepare();
  await client.query("insert into patient_embeddings values (1, 'one')");
  const positions = async (): Promise<object[]> =>
    (
      await client.query<object>(`select (select max(id) from autoembed.embedding_source)::int as highest,
        (select last_value from autoembed.embedding_source_id_seq)::int as source,
        (select last_value from autoembed.embedding_ticket)::int as ticket`)
    ).rows;
  const [before] = await positions();
  await client.query(
    `select setval('autoembed.embedding_ticket', 1), setval('autoembed.embedding_source_id_seq', 1)`,
  );
  await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
  const [after] = await positions();
  expect(after).toMatchObject({ ...before, source: (after as { highest: number }).highest });
  await client.query(`update autoembed.embedding_queue set ticket = 1;
    select setval('autoembed.embedding_ticket', 1, false)`);
  await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
  const { rows: next } = await client.query("select nextval('autoembed.embedding_ticket')::int as ticket");
  expect(next).toEqual([{ ticket: 2 }]);
  await client.query("select setval('autoembed.embedding_ticket', 123456789)");
  await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
  expect(await positions()).toMatchObject([{ ticket: 123_456_789 }]);
});

/** Rows 1 and 2 under ticket 1000, claimed by two listeners of which the second has another row's claim too. */
async function prepareShared() {
  const { client, database } = await prepare();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
  const { rows } = await client.query<{
    id: number;
  }>(`insert into autoembed.embedding_listener (host, pid, version)
    values ('here', 1, '0'), ('there', 2, '0') returning id`);
  const [here = 0, there = 0] = rows.map(({ id }) => id);
  await client.query(
    "update autoembed.embedding_queue set ticket = 1000, owner = case key when '1' then $1::int else $2 end",
    [here, there],
  );
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const queue = async (): Promise<unknown[]> =>
    (
      await client.query<object>(`select key, owner, failed_at is not null as failed
      from autoembed.embedding_queue order by key`)
    ).rows;
  const source = (await choose(db, undefined)).sources[0];
  if (source === undefined) throw new Error("no source");
  const given = [{ ticket: "1000", key: "1" }];
  return { client, db, source, here, there, given, owners: [here, there], queue };
}

test("A listener fails, releases and frees its own row, and no row of the same ticket", async () => {
  const { client, db, source, here, there, given, owners, queue } = await prepareShared();
  const second = { key: "2", owner: there, failed: false };
  expect(await release(db, source, given, owners, 0)).toEqual(["1000"]);
  expect(await queue()).toEqual([{ key: "1", owner: null, failed: false }, second]);
  expect(await fail(db, source, given, owners, "refused")).toEqual([]);
  await client.query("update autoembed.embedding_queue set owner = $1 where key = '1'", [here]);
  expect(await fail(db, source, given, owners, "refused")).toEqual(["1000"]);
  expect(await queue()).toEqual([{ key: "1", owner: null, failed: true }, second]);
  await client.query("update autoembed.embedding_queue set owner = 123456, failed_at = null where key = '1'");
  await freeOrphans(db);
  expect(await queue()).toEqual([{ key: "1", owner: null, failed: false }, second]);
});

test("A deleted row leaves the queue alone, and a row that a write has changed is found alone, whatever shares their ticket", async () => {
  const { client, db, source, given, there, queue } = await prepareShared();
  await client.query(`insert into autoembed.embedding_ledger (source_id, key, text_hash, embedded_at)
    select source_id, key, sha256('one'), queued_at from autoembed.embedding_queue where key = '2'`);
  expect(await findChangedByWrite(db, source, given)).toEqual([]);
  expect(await findChangedByWrite(db, source, [{ ticket: "1000", key: "2" }])).toEqual(["1000"]);
  await client.query("alter table patient_embeddings disable trigger user; delete from patient_embeddings");
  expect(await dropDeleted(db, source, given)).toEqual(["1000"]);
  expect(await queue()).toEqual([{ key: "2", owner: there, failed: false }]);
});

test("A listener that is freed gives up no reservation of another one under the same ticket", async () => {
  const { client, db, here, there } = await prepareShared();
  await client.query(
    `insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
     values (sha256('one'), 'm', 1000, $1), (sha256('two'), 'm', 1000, $2)`,
    [here, there],
  );
  await freeClaims(db, here);
  const { rows } = await client.query("select owner from autoembed.embedding_reservation");
  expect(rows).toEqual([{ owner: there }]);
});

test("A text is reserved by one listener, also where another one has a row with that text under the same ticket", async () => {
  const { client, here, there } = await prepareShared();
  const reserve = async (listener: number) => {
    const { rows } = await client.query<{ state: string }>(
      "select r.state from autoembed.reserve_texts('m', array[sha256('one')], array[1000], $1) r",
      [listener],
    );
    return rows.map(({ state }) => state);
  };
  expect(await reserve(here)).toEqual([]);
  expect(await reserve(there)).toEqual(["taken"]);
  expect(await reserve(here)).toEqual([]);
});

test("A row of chunks is read, split and dequeued alone, whatever shares its ticket", async () => {
  const { client, watch, db } = await prepareChunkedDocuments();
  await watch();
  await client.query("insert into app.documents values (1, 'one'), (2, 'two')");
  const [source] = (await choose(db, "app.documents")).chunked;
  if (source === undefined) throw new Error("no source");
  await client.query("update autoembed.embedding_queue set ticket = 1000 where source_id = $1", [source.id]);
  for (const [key, text] of [
    ["2", "two"],
    ["1", "one"],
  ] as const) {
    const queued = { ticket: "1000", key };
    const found = await readText(db, source, queued, 100);
    expect(found?.text).toBe(text);
    const replaced = await replaceChunks(
      db,
      source,
      queued,
      found?.text_hash ?? null,
      splitText(text, SPLIT),
    );
    expect(replaced).toEqual({ fresh: 1, written: true });
    const { rows } = await client.query("select key from autoembed.embedding_queue where source_id = $1", [
      source.id,
    ]);
    expect(rows).toEqual(key === "2" ? [{ key: "1" }] : []);
  }
});
