import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { fail } from "../../src/queue/fail.ts";
import { prepare } from "../support/listening.ts";

test("A listener that was taken for gone fails no row that another one has claimed since", async () => {
  const { client, database } = await prepare();
  await client.query("insert into patient_embeddings values (1, 'one')");
  const { rows } = await client.query<{ ticket: string; owner: number }>(`
    with listeners as (
      insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0'), ('there', 2, '0') returning id)
    update autoembed.embedding_queue set owner = (select max(id) from listeners) returning ticket, owner`);
  const [{ ticket, owner } = { ticket: "", owner: 0 }] = rows;
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());

  expect(await fail(db, { id: 1 }, [{ ticket, key: "1" }], [owner - 1], "refused")).toEqual([]);
  const held = await client.query("select owner, failed_at from autoembed.embedding_queue");
  expect(held.rows).toEqual([{ owner, failed_at: null }]);

  expect(await fail(db, { id: 1 }, [{ ticket, key: "1" }], [owner], "refused")).toEqual([ticket]);
});
