import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { withTableLock } from "../../src/database/with-table-lock.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { watch } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

/** How long a user's statement waits for a lock. Our own waits end after half a second; the rest is for a busy machine. */
const USER_LOCK_TIMEOUT = "set lock_timeout = '2500ms'";

describeNative("Watching a table blocks no user", "needs several sessions", () => {
  test("Watching or unwatching a table that a user holds waits for that user, and other writers pass", async () => {
    const { client, db, config, session } = await prepareTable();
    const holder = await session();
    const writer = await session();
    await holder.query("begin; insert into busy values (1, 'held')");
    let watching = true;
    const watched = watch(db, config, { table: "busy", text: "body" }).finally(() => (watching = false));
    await expect.poll(() => waiting(client)).toBe(1);
    for (let id = 2; id < 60; id++) await writer.query("insert into busy values ($1, 'passes')", [id]);
    expect(watching).toBe(true);
    await holder.query("commit");
    await watched;
    await holder.query("begin; update busy set body = 'held again' where id = 1");
    const unwatched = unwatch(db, "busy");
    await expect.poll(() => waiting(client)).toBe(1);
    for (let id = 60; id < 90; id++) await writer.query("insert into busy values ($1, 'passes')", [id]);
    await holder.query("commit");
    await unwatched;
  });

  test("A process that stops while it has the table locked keeps no writer waiting", async () => {
    const { db, session } = await prepareTable();
    const writer = await session();
    let goOn = (): void => undefined;
    let isLocked = false;
    const stopped = withTableLock(db, async (transaction) => {
      await transaction.schema.withSchema("public").alterTable("busy").addColumn("more", "text").execute();
      isLocked = true;
      await new Promise<void>((resolve) => (goOn = resolve));
      await transaction.schema.withSchema("public").alterTable("busy").dropColumn("more").execute();
    });
    const failed = expect(stopped).rejects.toThrow();
    await expect.poll(() => isLocked).toBe(true);
    await writer.query("insert into busy values (1, 'passes')");
    goOn();
    await failed;
  });
});

async function prepareTable() {
  const { client, database, environment } = await prepare();
  await client.query(`drop table if exists busy;
    create table busy (id int primary key, body text)`);
  const db = connect({ databaseUrl: database.url, maxConnections: 2, ownSessions: true });
  onTestFinished(() => db.destroy());
  const session = async (): Promise<pg.Client> => {
    const opened = new pg.Client(database.url);
    await opened.connect();
    onTestFinished(() => opened.end());
    await opened.query(USER_LOCK_TIMEOUT);
    return opened;
  };
  return { client, db, session, config: readConfig({ ...environment, EMBEDDING_DIM: String(DIMENSIONS) }) };
}

/** How many of our sessions wait for a lock. */
async function waiting(client: pg.Client): Promise<number> {
  const { rowCount } = await client.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'pg-autoembed'
       and wait_event_type = 'Lock'`,
  );
  return rowCount ?? 0;
}
