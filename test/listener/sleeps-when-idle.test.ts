import { once } from "node:events";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { describeNative } from "../support/database.ts";
import { runCommand } from "../support/command.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

vi.setConfig({ testTimeout: 120_000 });

interface Session {
  readonly application_name: string;
  readonly state_change: Date;
}

async function prepareAsleep({ withPage = false } = {}) {
  const around = await prepare({ EMBED_IDLE: "sleep" });
  const listener = await around.listen();
  if (withPage) await serve(listener, around.database.url);
  const fallsAsleep = () => once(listener.events, "asleep", { signal: AbortSignal.timeout(60_000) });
  await fallsAsleep();
  const sessions = async (): Promise<Session[]> => {
    const { rows } = await around.client.query<Session>(
      `select application_name, state_change from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and application_name like 'pg-autoembed%'`,
    );
    return rows;
  };
  return { ...around, listener, fallsAsleep, sessions };
}

describeNative("A listener with EMBED_IDLE=sleep", "needs several sessions", () => {
  test("asks the database nothing while nothing is to do, also with a page that nobody looks at, and one change wakes it", async () => {
    const { client, listener, fallsAsleep, sessions } = await prepareAsleep({ withPage: true });
    // Its other connections are closed once they were idle for ten seconds.
    await vi.waitFor(
      async () => {
        expect(await sessions()).toHaveLength(1);
      },
      { timeout: 30_000, interval: 500 },
    );
    const [listening] = await sessions();
    expect(listening?.application_name).toBe("pg-autoembed listen");
    const counted =
      "select count(*)::int as claims from autoembed.embedding_listener where state ? 'asleep' and idle";
    expect((await client.query<{ claims: number }>(counted)).rows).toEqual([{ claims: 1 }]);
    // Longer than every interval of an awake listener: heartbeat, poll, and the check of LISTEN.
    await new Promise((resolve) => setTimeout(resolve, 11_000));
    expect(await sessions()).toEqual([listening]);

    const woken = once(listener.events, "awake", { signal: AbortSignal.timeout(30_000) });
    await client.query("insert into patient_embeddings values (1, 'a change')");
    await woken;
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
    await fallsAsleep();
    // A second time, now that it has worked.
    await client.query("update patient_embeddings set context_text = 'another' where patient_id = 1");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  });

  test("sleeps next to pending rows of sources that wait for a person, and embeds them once it is woken", async () => {
    const { client, listen } = await prepare({ EMBED_IDLE: "sleep" });
    await client.query(`drop table if exists dropped, renamed;
      create table dropped (like patient_embeddings including all);
      create table renamed (like patient_embeddings including all);
      select autoembed.watch('dropped', 'context_text'), autoembed.watch('renamed', 'context_text');
      insert into dropped values (1, 'one'); insert into renamed values (1, 'one');
      drop table dropped; alter table renamed rename column context_text to body`);
    const listener = await listen();
    await once(listener.events, "asleep", { signal: AbortSignal.timeout(60_000) });
    await client.query(`alter table renamed rename column body to context_text`);
    const woken = once(listener.events, "awake", { signal: AbortSignal.timeout(30_000) });
    await client.query("insert into patient_embeddings values (1, 'a change')");
    await woken;
    await vi.waitFor(
      async () => {
        expect(await wrongRows(client, "renamed")).toEqual([]);
      },
      { timeout: 30_000, interval: 200 },
    );
    expect(await wrongRows(client)).toEqual([]);
  });

  test("claims nothing while others would not miss it: before its row is seen awake", async () => {
    const { client, database, listener, provider } = await prepareAsleep();
    const other = new pg.Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    // Held so that a claim may go on, and a heartbeat may not.
    await other.query("begin; select from autoembed.embedding_listener for no key update");
    await client.query("insert into patient_embeddings values (1, 'a change')");
    const waiting = `select from pg_stat_activity where datname = current_database()
      and wait_event_type = 'Lock' and query like '%embedding_listener%'`;
    await expect.poll(async () => (await client.query(waiting)).rowCount, { timeout: 30_000 }).toBe(1);
    await client.query("select pg_sleep(1)");
    const unclaimed = "select from autoembed.embedding_queue where owner is null";
    expect((await client.query(unclaimed)).rowCount).toBe(1);
    expect(provider.requests.flatMap(({ texts }) => texts)).not.toContain("a change");
    await other.query("commit");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  });

  test("stays registered next to a listener that is awake, is no reason for an alarm, and ask() wakes it", async () => {
    const { client, environment, listen } = await prepareAsleep();
    await client.query("insert into patient_embeddings values (1, 'poorly controlled diabetes')");
    const asleep = "select id from autoembed.embedding_listener where state ? 'asleep'";
    await vi.waitFor(
      async () => {
        expect((await client.query(asleep)).rows).toHaveLength(1);
        expect(await wrongRows(client)).toEqual([]);
      },
      { timeout: 60_000, interval: 200 },
    );
    const { rows: before } = await client.query(asleep);
    const other = await listen({ EMBED_IDLE: "poll" });
    // Two of its looks for listeners that are gone, and the silence before them.
    await client.query("select pg_sleep(6)");
    expect((await client.query(asleep)).rows).toEqual(before);
    await other.stop();

    const status = runCommand(["status", "--check"], environment);
    expect(await status.exited, status.stdout() + status.stderr()).toBe(0);
    expect(status.stdout()).toContain("asleep until a change");
    await client.query("call autoembed.ask('patient_embeddings', 'diabetes', 1)");
    expect((await client.query(asleep)).rows).toEqual([]);
  });

  test("stays awake next to a listener of another version, and wakes when its row is taken away while it sleeps", async () => {
    const { client, listen } = await prepare({ EMBED_IDLE: "sleep" });
    await client.query(`insert into autoembed.embedding_listener (host, pid, version, seen_at)
      values ('elsewhere', 1, '0', now() + interval '3 seconds')`);
    const alive = "update autoembed.embedding_listener set seen_at = now() where version = '0'";
    const listener = await listen();
    const asleep = vi.fn();
    const awake = vi.fn();
    listener.events.on("asleep", asleep);
    listener.events.on("awake", awake);
    for (let second = 0; second < 8; second++) await client.query(`${alive}; select pg_sleep(1)`);
    expect(asleep).not.toHaveBeenCalled();
    await client.query("delete from autoembed.embedding_listener where version = '0'");
    await expect.poll(() => asleep.mock.calls.length, { timeout: 30_000 }).toBe(1);
    await client.query("delete from autoembed.embedding_listener");
    await expect.poll(() => awake.mock.calls.length, { timeout: 30_000 }).toBe(1);
    const registered = "select from autoembed.embedding_listener where not state ? 'asleep'";
    await expect.poll(async () => (await client.query(registered)).rowCount, { timeout: 10_000 }).toBe(1);

    // Falling asleep fails: its row cannot say so.
    await client.query(`create or replace function lose_row() returns trigger language plpgsql as
        'begin if new.state ? ''asleep'' then return null; end if; return new; end';
      create trigger lose_row before update on autoembed.embedding_listener for each row execute function lose_row()`);
    onTestFinished(async () => {
      await client.query("drop function lose_row cascade");
    });
    await expect.poll(() => awake.mock.calls.length, { timeout: 30_000, interval: 200 }).toBe(2);
    expect(asleep).toHaveBeenCalledTimes(1);
  });

  test("a listener that is stopped while it sleeps leaves nothing behind, and one whose row was lost registers again when its connection is back", async () => {
    const { client, listener, fallsAsleep } = await prepareAsleep();
    await client.query(`delete from autoembed.embedding_listener;
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'pg-autoembed listen'`);
    await once(listener.events, "awake", { signal: AbortSignal.timeout(30_000) });
    await client.query("insert into patient_embeddings values (1, 'a change')");
    await vi.waitFor(
      async () => {
        expect(await wrongRows(client)).toEqual([]);
      },
      { timeout: 30_000, interval: 100 },
    );
    await fallsAsleep();
    await listener.stop();
    expect((await client.query("select from autoembed.embedding_listener")).rows).toHaveLength(0);
  });
});
