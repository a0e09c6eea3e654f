import { expect, onTestFinished, test } from "vitest";
import pg from "pg";
import { connect } from "../../src/database/connect.ts";
import { Events } from "../../src/events.ts";
import { Spending } from "../../src/listener/spending.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

describeNative("What a backfill has cost", "needs two sessions at a time", () => {
  test("counts while it is being written, so that no request is sent for money that is spent", async () => {
    const { client, database } = await prepare();
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
    onTestFinished(() => db.destroy());
    const user = new pg.Client(database.url);
    await user.connect();
    onTestFinished(() => user.end());
    const events = new Events();
    const spending = new Spending(events);
    const unwritten = (): number => spending.unwrittenOf("patient_embeddings");
    const answer = {
      source: "patient_embeddings",
      model: "any",
      purpose: "backfill",
      tokens: 1,
      cost: 2,
    } as const;
    events.emit("answered", {
      ...answer,
      areTokensEstimated: false,
      texts: 1,
      characters: 1,
      isFull: false,
      milliseconds: 1,
    });
    await user.query("begin; lock table autoembed.embedding_spending");

    const flushed = spending.flush(db);
    const waits =
      "select from pg_locks where not granted and relation = 'autoembed.embedding_spending'::regclass";
    await expect.poll(async () => (await client.query(waits)).rowCount).toBe(1);
    expect(unwritten()).toBe(2);
    await user.query("rollback");
    await flushed;
    expect(unwritten()).toBe(0);
  });
});
