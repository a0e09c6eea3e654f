import { expect, test } from "vitest";
import { collectStatus } from "../../src/status/collect-status.ts";
import { addWaits, waitedWithin } from "../../src/timing/waits.ts";
import { connect } from "../../src/database/connect.ts";
import { prepare } from "../support/listening.ts";

test("Waits are counted by steps that double, and a share of them is rounded up to its step", () => {
  const counts: number[] = [];
  expect(waitedWithin(counts, 0.95)).toBeNull();
  addWaits(counts, [-3, 0, 50, 51, 100, 101, 1e12]);
  expect(counts.slice(0, 3)).toEqual([3, 2, 1]);
  expect(counts).toHaveLength(24);
  expect(waitedWithin(counts, 0.5)).toBe(0.1);
  expect(waitedWithin(counts, 6 / 7)).toBe(0.2);
  expect(waitedWithin([0, 0, 4], 0.01)).toBe(0.2);
});

test("A day's freshness is of the changed rows of all listeners, and not of those that a backfill embeds", async () => {
  const { client, listen, database } = await prepare();
  const waited = async () => {
    const { rows } = await client.query<{ waits: number[] }>(
      "select waits::int[] as waits from autoembed.embedding_usage",
    );
    return rows.flatMap(({ waits }) => waits).reduce((sum, count) => sum + count, 0);
  };
  const embed = async (change: string): Promise<void> => {
    await client.query(change);
    const listener = await listen();
    await listener.whenDrained();
    await listener.stop();
  };
  await embed("insert into patient_embeddings select n, 'first ' || n from generate_series(1, 3) n");
  expect(await waited()).toBe(3);
  // Changed an hour ago, and embedded by another listener: its counts are added to those of the first.
  await embed(`insert into patient_embeddings select n, 'second ' || n from generate_series(11, 13) n;
    insert into patient_embeddings values (14, 'first 1');
    update autoembed.embedding_queue set queued_at = now() - interval '1 hour'`);
  expect(await waited()).toBe(7);
  await embed(`alter table patient_embeddings disable trigger user;
    insert into patient_embeddings select n, 'restored ' || n from generate_series(21, 23) n;
    alter table patient_embeddings enable trigger user;
    insert into autoembed.embedding_backfill (source_id, is_all, key_columns)
      select id, false, array['patient_id bigint'] from autoembed.embedding_source where name = 'patient_embeddings'`);
  const { rowCount } = await client.query("select from patient_embeddings where embedding is null");
  expect([rowCount, await waited()]).toEqual([0, 7]);

  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  const { days } = await collectStatus(db).finally(() => db.destroy());
  expect(days).toHaveLength(7);
  expect(days[5]).toMatchObject({ freshness_p50: null, freshness_p95: null });
  // 50 ms doubled until it is an hour or more.
  expect(days[6]).toMatchObject({ freshness_p50: 6553.6, freshness_p95: 6553.6 });
});
