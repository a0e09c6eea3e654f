import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { claim } from "../../src/queue/claim.ts";
import { writeCached } from "../../src/queue/write-cached.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

const OURS = 4711;

describeNative("A text that changes while its vector is lent", "needs two sessions at a time", () => {
  test("A row whose text changes between the statement's snapshot and its lock does not get the former text's vector", async () => {
    const { client, database, listen } = await prepare();
    await client.query(`drop table if exists slow_notes;
      create table slow_notes (id int primary key, body text, embedding vector(${DIMENSIONS}));
      create or replace function read_slowly(body text) returns text language plpgsql immutable as $$ begin
        perform pg_advisory_xact_lock_shared(${OURS}); return body; end $$;
      select autoembed.watch('slow_notes', 'public.read_slowly(body)')`);
    const listener = await listen();
    await client.query("insert into slow_notes values (1, 'former')");
    await listener.whenDrained();
    await listener.stop();
    await client.query("insert into slow_notes values (2, 'former')");
    const db = connect({ databaseUrl: database.url, maxConnections: 2, ownSessions: true });
    onTestFinished(() => db.destroy());
    const [source] = await chooseSources(db, "slow_notes");
    if (source === undefined) throw new Error("slow_notes is not watched");
    const { rows } = await client.query<{ id: number; owner: number }>(
      "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id as owner, (select current_model from autoembed.embedding_source where name = 'slow_notes') as id",
    );
    const { id = 0, owner = 0 } = rows[0] ?? {};
    const model = { fingerprint: "any", id, lenderIds: [id], cacheNames: [] };
    const lending = { model, sources: () => [source] };
    const range = { owner, limit: 1, head: 0n, tail: 1n << 60n, lending, maxCharacters: 100 };
    const claimed = await claim(db, source, range);
    expect(claimed).toMatchObject([{ state: "cached", key: "2" }]);

    const user = new pg.Client(database.url);
    await user.connect();
    onTestFinished(() => user.end());
    await user.query(`select pg_advisory_lock(${OURS})`);
    const writing = writeCached(db, source, { rows: claimed, lending });
    const waits = "select from pg_stat_activity where wait_event = 'advisory' and query like '%slow_notes%'";
    await expect.poll(async () => (await client.query(waits)).rowCount, { timeout: 30_000 }).toBe(1);
    // As a restore does: no trigger tells of it.
    await user.query("set session_replication_role = replica");
    await user.query("update slow_notes set body = 'changed' where id = 2");
    await user.query(`select pg_advisory_unlock(${OURS})`);

    expect(await writing).toEqual([]);
    const stored = await client.query("select embedding from slow_notes where id = 2");
    expect(stored.rows).toEqual([{ embedding: null }]);
    await client.query("delete from autoembed.embedding_listener");
  });
});
