import { expect, onTestFinished, test } from "vitest";
import { findDueSources } from "../../src/batches/store.ts";
import { connect } from "../../src/database/connect.ts";
import { prepare } from "../support/listening.ts";

const NOBODY = 0;

test("A batch and a page that one waits for are due although the server's clock was set back by an hour", async () => {
  const { client, database } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const { rows } = await client.query<{ id: number }>(
    "select id from autoembed.embedding_source where name = 'patient_embeddings'",
  );
  const ids = rows.map(({ id }) => id);
  const dueIn = async (table: string, delay: string): Promise<number[]> => {
    await client.query(`update autoembed.${table} set not_before = now() + $1::interval`, [delay]);
    return await findDueSources(db, NOBODY);
  };

  await client.query(
    "insert into autoembed.embedding_batch (source_id, model_id, tag, state) values ($1, 1, 'tag', 'submitted')",
    ids,
  );
  expect(await dueIn("embedding_batch", "9 minutes")).toEqual([]);
  expect(await dueIn("embedding_batch", "1 hour")).toEqual(ids);

  await client.query("delete from autoembed.embedding_batch");
  await client.query(
    `insert into autoembed.embedding_backfill (source_id, is_all, key_columns, in_batches, is_read)
     select id, false, key_columns, true, true from autoembed.embedding_source where id = $1`,
    ids,
  );
  await client.query(
    "insert into autoembed.embedding_page (source_id, upto, for_batch) values ($1, '{9}', true)",
    ids,
  );
  expect(await dueIn("embedding_page", "50 seconds")).toEqual([]);
  expect(await dueIn("embedding_page", "1 hour")).toEqual(ids);
});
