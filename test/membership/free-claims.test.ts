import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { freeClaims } from "../../src/queue/free-claims.ts";
import { describeNative } from "../support/database.ts";
import { openMigrated } from "../support/migrated.ts";

/** A listener, with what gives it a claim and a page. */
async function prepareListener() {
  const around = await openMigrated();
  const { client } = around;
  await client.query(`insert into patient_embeddings values (1, 'one');
    insert into autoembed.embedding_backfill (source_id, is_all, key_columns) values (1, false, '{patient_id}')`);
  const { rows } = await client.query<{ id: number }>(
    "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
  );
  const id = rows[0]?.id ?? 0;
  const claimRow = () => client.query("update autoembed.embedding_queue set owner = $1", [id]);
  const takePage = () =>
    client.query("insert into autoembed.embedding_page (source_id, upto, owner) values (1, '{9}', $1)", [id]);
  const isRegistered = async (): Promise<boolean> =>
    (await client.query("select from autoembed.embedding_listener where id = $1", [id])).rowCount === 1;
  return { ...around, id, claimRow, takePage, isRegistered };
}

describeNative(
  "What a listener has claimed is freed whole, and others hear of it",
  "needs several sessions",
  () => {
    test.each(["autoembed.embedding_page", "autoembed.embedding_queue"])(
      "A listener stays registered while somebody holds its row of %s, and until that is freed too",
      async (table) => {
        const { url, client, db, id, claimRow, takePage, isRegistered } = await prepareListener();
        await claimRow();
        await takePage();
        const user = new pg.Client(url);
        await user.connect();
        onTestFinished(() => user.end());
        await user.query(`begin; select from ${table} for update`);
        await freeClaims(db, id);
        const owners = `select owner from autoembed.embedding_page union all select owner from autoembed.embedding_queue`;
        const owned = async (): Promise<number> =>
          (await client.query(`select from (${owners}) o where owner is not null`)).rowCount ?? 0;
        expect(await owned()).toBe(1);
        expect(await isRegistered()).toBe(true);
        await user.query("rollback");
        await freeClaims(db, id);
        expect(await owned()).toBe(0);
        expect(await isRegistered()).toBe(false);
      },
    );

    test("Listeners are notified of a row or a page that is free again, and not where nothing was freed", async () => {
      const { client, db, id, claimRow, takePage } = await prepareListener();
      await client.query("listen autoembed");
      let notifications = 0;
      client.on("notification", () => notifications++);
      const freed = async (): Promise<number> => {
        notifications = 0;
        await freeClaims(db, id);
        // What was notified before a statement began has come before its answer.
        await client.query("select");
        await client.query(
          "insert into autoembed.embedding_listener (id, host, pid, version) overriding system value values ($1, 'here', 1, '0')",
          [id],
        );
        return notifications;
      };
      expect(await freed()).toBe(0);
      await claimRow();
      expect(await freed()).toBe(1);
      await takePage();
      expect(await freed()).toBe(1);
    });
  },
);
