import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { clearVector } from "../../src/queue/clear-vector.ts";
import type { HeldRow } from "../../src/queue/held-rows.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { watch } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 30_000 });

/** A text expression that waits at a gate, so that a statement has its snapshot before it reads the text. */
const DOCUMENTS = `
  drop schema if exists app cascade;
  create schema app;
  create table app.documents (id bigint primary key, body text);
  create function app.through_the_gate(body text) returns text language plpgsql immutable as $$
  begin
    perform pg_advisory_xact_lock_shared(1);
    return body;
  end $$`;
const gate = "select pg_advisory_xact_lock(1)";

/** A row whose text was set to blank. It still has its vector, and no listener runs. */
async function prepareBlank(into?: string) {
  const { client, database, environment, listen } = await prepare();
  await client.query(DOCUMENTS);
  const db = connect({ databaseUrl: database.url, maxConnections: 2, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const watched = await watch(db, config, {
    table: "app.documents",
    text: "app.through_the_gate(body)",
    into,
  });
  const [source] = await chooseSources(db, watched.name);
  if (source === undefined) throw new Error("no source");
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'one')");
  await listener.whenDrained();
  await listener.stop();
  await client.query("update app.documents set body = ''");
  const { rows } = await client.query<HeldRow>("select ticket, ctid, key from autoembed.embedding_queue");
  return { client, rows, settle: () => clearVector(db, source, rows) };
}

describeNative("A blank row that changes stays queued", "needs several sessions", () => {
  test.each([
    ["by the user in the watched table", undefined, "update app.documents set embedding = null"],
    ["by another source in a table of vectors", "vectors", "update app.vectors set other = null"],
    ["by a delete of all its vectors", "vectors", "delete from app.vectors"],
  ])("A blank row changed %s as its vector is cleared is looked at again", async (_, into, change) => {
    const { client, rows: blank, settle } = await prepareBlank(into);
    if (into !== undefined) {
      await client.query(
        "alter table app.vectors add other vector; update app.vectors set other = embedding",
      );
    }
    await client.query(`begin; ${gate}`);
    const settled = settle();
    await expect
      .poll(async () => {
        const { rows } = await client.query(
          "select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'",
        );
        return rows.length;
      })
      .toBe(1);
    // The change is visible before the gate opens: a transaction's locks are released after its commit is visible.
    await client.query(`${change}; commit`);
    expect(await settled).toEqual([]);
    expect(await settle()).toEqual(blank.map(({ ticket }) => ({ ticket, written: true })));
    const { rows } = await client.query(
      `select from app.${into ?? "documents"}${into === undefined ? " where embedding is not null" : ""}`,
    );
    expect(rows).toEqual([]);
  });
});
