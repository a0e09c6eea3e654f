import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { forgetOverwritten } from "../../src/ledger/forget-overwritten.ts";
import { unrecordDeleted } from "../../src/ledger/forget-deleted.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { beginBackfills } from "../support/begin-backfills.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";

const OURS = 4712;

describeNative(
  "An entry of the ledger that is written after a statement began to look",
  "needs two sessions at a time",
  () => {
    test("stays, of a row that was deleted unseen and is inserted again", async () => {
      const around = await embedded();
      await unseen(around, "delete from slow_notes");
      await whilePaused(
        around,
        ({ db, source }) => unrecordDeleted(db, source),
        async (user) => {
          await user.query("insert into slow_notes values (1, 'one')");
        },
      );

      expect(await entries(around)).toEqual([{ key: "1", is_right: true }]);
    });

    test("stays ours, of a row whose vector was removed by hand and is made again", async () => {
      const around = await embedded();
      await around.client.query("update slow_notes set embedding = null");
      const { rows } = await around.client.query<{ id: number; hash: string }>(
        "select model_id as id, encode(text_hash, 'hex') as hash from autoembed.embedding_ledger",
      );
      const { id = 0, hash = "" } = rows[0] ?? {};
      const model = { fingerprint: "any", id, lenderIds: [id], cacheNames: [] };
      await whilePaused(
        around,
        ({ db, source }) => forgetOverwritten(db, { model, sources: () => [source] }, [hash]),
        () => beginBackfills(around.database.url),
      );

      expect(await entries(around)).toEqual([{ key: "1", is_right: true }]);
    });
  },
);

type Around = Listening & { readonly listener: Awaited<ReturnType<Listening["listen"]>> };

/** A table of one row with its vector, and a running listener. Sessions that ask for it pause where they read a key. */
async function embedded(): Promise<Around> {
  const around = await prepare();
  const { client, listen } = around;
  await client.query(`drop table if exists slow_notes; drop domain if exists slow_key; delete from autoembed.embedding_ledger;
    create or replace function pauses() returns boolean language plpgsql as $$ begin
      if current_setting('test.pauses', true) = 'on' then perform pg_advisory_xact_lock_shared(${OURS}); end if;
      return true; end $$;
    create domain slow_key as int check (value is null or public.pauses());
    create table slow_notes (id slow_key primary key, body text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('slow_notes', 'body')`);
  const listener = await listen();
  await client.query("insert into slow_notes values (1, 'one')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  return { ...around, listener };
}

interface Looking {
  readonly db: ReturnType<typeof connect>;
  readonly source: Awaited<ReturnType<typeof chooseSources>>[number];
}

/** Has a statement look, `change` happen and the listener embed what is due, and the statement end. */
async function whilePaused(
  { client, database, listener }: Around,
  look: (looking: Looking) => Promise<void>,
  change: (user: pg.Client) => Promise<void>,
): Promise<void> {
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const [source] = await chooseSources(db, "slow_notes");
  if (source === undefined) throw new Error("slow_notes is not watched");
  // It waits for as long as the listener takes.
  await sql`select set_config('test.pauses', 'on', false), set_config('lock_timeout', '0', false)`.execute(
    db,
  );
  const user = new pg.Client(database.url);
  await user.connect();
  onTestFinished(() => user.end());
  await user.query(`select pg_advisory_lock(${OURS})`);
  const looked = look({ db, source });
  const waits = "select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()";
  await expect.poll(async () => (await client.query(waits)).rowCount, { timeout: 30_000 }).toBe(1);
  await change(user);
  const missing = "select from slow_notes where embedding is null";
  await expect.poll(async () => (await client.query(missing)).rowCount, { timeout: 30_000 }).toBe(0);
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await user.query(`select pg_advisory_unlock(${OURS})`);
  await looked;
}

/** As a restore does, or what a dropped partition had: no trigger tells of it. */
async function unseen({ client }: Around, change: string): Promise<void> {
  await client.query("set session_replication_role = replica");
  await client.query(change);
  await client.query("reset session_replication_role");
}

async function entries({ client }: Around): Promise<unknown> {
  const { rows } = await client.query(`
    select l.key, l.vector_hash = substr(sha256(vector_send(t.embedding)), 1, 8) as is_right
    from autoembed.embedding_ledger l join slow_notes t on t.id = l.key::int`);
  return rows;
}
