import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { Events, type Answered } from "../../src/events.ts";
import { Budget } from "../../src/listener/budget.ts";
import { UnwrittenSpending } from "../../src/listener/unwritten-spending.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

const ANSWER: Answered = {
  source: "patient_embeddings",
  model: "any",
  purpose: "backfill",
  tokens: 1,
  cost: 2,
  areTokensEstimated: false,
  texts: 1,
  characters: 1,
  isFull: false,
  milliseconds: 1,
};

describeNative(
  "While it is being written what was spent, nothing is sent for the same money",
  "needs two sessions at a time",
  () => {
    test("neither for that of a backfill nor for the day's", async () => {
      const { client, database } = await prepare();
      const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
      onTestFinished(() => db.destroy());
      const user = new pg.Client(database.url);
      await user.connect();
      onTestFinished(() => user.end());
      const events = new Events();
      const spending = new UnwrittenSpending(events);
      const budget = new Budget({ EMBED_DAILY_TOKEN_BUDGET: 2 }, events);
      const unwritten = (): number => spending.unwrittenOf(ANSWER.source);
      events.emit("answered", ANSWER);
      // It waits for as long as the test takes.
      await sql`select set_config('lock_timeout', '0', false)`.execute(db);
      await user.query("begin; lock table autoembed.embedding_spending");

      const refreshed = budget.refresh(db, () => spending.flush(db));
      const waits =
        "select from pg_locks where not granted and relation = 'autoembed.embedding_spending'::regclass";
      await expect.poll(async () => (await client.query(waits)).rowCount, { timeout: 20_000 }).toBe(1);
      expect(unwritten()).toBe(2);
      expect(budget.exhausted).toBeUndefined();
      events.emit("answered", ANSWER);
      await user.query("rollback");
      await refreshed;

      expect(unwritten()).toBe(2);
      expect(budget.exhausted).toMatch(/^the day's 2 tokens are used up/);
      await budget.refresh(db, () => spending.flush(db));
      expect(unwritten()).toBe(0);
      expect(budget.exhausted).toMatch(/\(2 spent\)/);
    });
  },
);
