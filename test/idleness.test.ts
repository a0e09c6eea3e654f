import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../src/database/connect.ts";
import { Idleness } from "../src/listener/idleness.ts";
import { prepare } from "./support/listening.ts";

/** A listener's row, and what tells the triggers whether to notify. The clock stands still until it is moved. */
async function prepareIdleness() {
  const { client, database } = await prepare();
  // One connection: what is asked last is answered last.
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const { rows } = await client.query<{ id: number }>(
    "insert into embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
  );
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const idleness = new Idleness(
    db,
    () => rows.map(({ id }) => id),
    () => undefined,
  );
  const said = async () =>
    (await db.selectFrom("embedding_listener").select("idle").executeTakeFirstOrThrow()).idle;
  return { idleness, said };
}

test("a change that comes after a long rest is no long drain: the next one notifies as well", async () => {
  const { idleness, said } = await prepareIdleness();
  for (let change = 0; change < 3; change++) {
    vi.advanceTimersByTime(60_000);
    idleness.worked();
    expect(await said()).toBe(true);
    idleness.rested();
  }
});

test("a drain that lasts is said, and so is its end", async () => {
  const { idleness, said } = await prepareIdleness();
  idleness.worked();
  vi.advanceTimersByTime(1_000);
  idleness.worked();
  expect(await said()).toBe(false);
  idleness.rested();
  await said(); // until it has been said, it is as it was
  vi.useRealTimers();
  await expect.poll(said).toBe(true);
});

test("a drain that ends while it is being said to last is over all the same", async () => {
  const { idleness, said } = await prepareIdleness();
  idleness.worked();
  vi.advanceTimersByTime(1_000);
  idleness.worked();
  idleness.rested();
  await said(); // until it has been said, it is as it was
  vi.useRealTimers();
  await expect.poll(said).toBe(true);
});
