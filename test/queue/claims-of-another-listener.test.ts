import { expect, test } from "vitest";
import { fail } from "../../src/queue/fail.ts";
import { giveNewTickets, release } from "../../src/queue/release.ts";
import { openMigrated } from "../support/migrated.ts";

/** A row whose claim `there` has taken over from `here`. */
async function prepareTakenOver() {
  const { client, db } = await openMigrated();
  await client.query("insert into patient_embeddings values (1, 'one')");
  const { rows } = await client.query<{ ticket: string; there: number; here: number }>(`
    with listeners as (
      insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0'), ('there', 2, '0') returning id)
    update autoembed.embedding_queue set owner = (select max(id) from listeners)
    returning ticket, owner as there, (select min(id) from listeners) as here`);
  const [{ ticket, here, there } = { ticket: "", here: 0, there: 0 }] = rows;
  const queued = async (): Promise<unknown> =>
    (
      await client.query<object>(
        "select ticket, owner, failed_at is not null as has_failed, attempts from autoembed.embedding_queue",
      )
    ).rows[0];
  return { client, db, given: [{ ticket, key: "1" }], ticket, here, there, queued };
}

test("A listener that was taken for gone fails no row that another one has claimed since", async () => {
  const { db, given, ticket, here, there, queued } = await prepareTakenOver();
  expect(await fail(db, { id: 1 }, given, [here], "refused")).toEqual([]);
  expect(await queued()).toMatchObject({ owner: there, has_failed: false });
  expect(await fail(db, { id: 1 }, given, [there], "refused")).toEqual([ticket]);
  expect(await queued()).toMatchObject({ owner: null, has_failed: true, attempts: 1 });
});

test("A listener that was taken for gone releases no row that another one has claimed since", async () => {
  const { db, given, ticket, here, there, queued } = await prepareTakenOver();
  expect(await release(db, { id: 1 }, given, [here], 0)).toEqual([ticket]);
  expect(await queued()).toMatchObject({ owner: there });
  expect(await giveNewTickets(db, { id: 1 }, ["1"], here)).toBe(false);
  expect(await queued()).toMatchObject({ owner: there, ticket });
  expect(await release(db, { id: 1 }, given, [there], 0)).toEqual([ticket]);
  expect(await queued()).toMatchObject({ owner: null });
});

test("A row can fail more often than its attempts can be counted", async () => {
  const { client, db, given, ticket, there, queued } = await prepareTakenOver();
  await client.query("update autoembed.embedding_queue set attempts = 32767");
  expect(await fail(db, { id: 1 }, given, [there], "refused")).toEqual([ticket]);
  expect(await queued()).toMatchObject({ has_failed: true, attempts: 32_767 });
});
