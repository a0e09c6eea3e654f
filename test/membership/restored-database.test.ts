import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { markSeen, register } from "../../src/membership/listener-id.ts";
import { prepare, wrongRows } from "../support/listening.ts";

const STATE = { providers: [], in_flight: 0, answers_questions: true, budget: undefined } as const;

test("A restore that sets the sequence of ids back gives no listener the id of another", async () => {
  const { client, database } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  await register(db, STATE);
  const other = await register(db, STATE);
  // As a dump has it that was made before they registered: the next id of the sequence is the other's.
  await client.query(`delete from autoembed.embedding_listener;
    alter table autoembed.embedding_listener alter column id restart with ${other.id}`);
  const again = await register(db, STATE);
  expect(again.id).not.toBe(other.id);
  expect(await markSeen(db, [other.id], STATE)).toEqual(new Set());
});

test("A listener whose tables are missing for a while, as in a restore, says so and goes on afterwards", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  const events: string[] = [];
  listener.events.on("uninstalled", () => events.push("uninstalled"));
  listener.events.on("source_failing", ({ source }) => events.push(`failing: ${source ?? "all"}`));
  await client.query("alter schema autoembed rename to away");
  try {
    await expect.poll(() => events, { timeout: 20_000 }).toContain("failing: all");
  } finally {
    await client.query("alter schema away rename to autoembed");
  }
  await client.query("insert into patient_embeddings values (1, 'written after the restore')");
  await expect.poll(() => wrongRows(client), { timeout: 20_000 }).toEqual([]);
  expect(events).not.toContain("uninstalled");
});
