import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { markSilent, register } from "../../src/membership/listener-id.ts";
import { listenerStatus } from "../../src/status/collect-status.ts";
import { prepare } from "../support/listening.ts";

const STATE = { providers: [], in_flight: 0, answers_questions: true, budget: undefined } as const;

test("A listener that ended with claims left is shown no more, and breaks no status", async () => {
  const { database } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const ended = await register(db, STATE);
  const running = await register(db, STATE);
  await markSilent(db, [ended.id]);
  const shown = await listenerStatus(db);
  expect(shown.map(({ id }) => id)).toEqual([running.id]);
  expect(shown[0]?.silent_seconds).toBeLessThan(60);
});
