import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { NotifyGate } from "../../src/listener/notify-gate.ts";
import { prepare } from "../support/listening.ts";

/** A listener's row and the gate that tells the triggers whether to notify. The clock stands still until a test moves it. */
async function prepareNotifyGate() {
  const { client, database } = await prepare();
  // With one connection, the last query is answered last.
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const { rows } = await client.query<{ id: number }>(
    "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
  );
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const gate = new NotifyGate({
    db,
    ids: () => rows.map(({ id }) => id),
    wakeAll: () => undefined,
    wakeDue: () => Promise.resolve(),
    isDraining: () => true,
  });
  onTestFinished(() => {
    gate.stop();
  });
  const isAnnouncedIdle = async () =>
    (await db.selectFrom("autoembed.embedding_listener").select("idle").executeTakeFirstOrThrow()).idle;
  return { gate, isAnnouncedIdle };
}

test("A change after a long rest does not count as a long drain, so that the next change notifies too", async () => {
  const { gate, isAnnouncedIdle } = await prepareNotifyGate();
  for (let change = 0; change < 3; change++) {
    vi.advanceTimersByTime(60_000);
    gate.onClaimed();
    expect(await isAnnouncedIdle()).toBe(true);
    gate.onDrained();
  }
});

test("A drain that lasts is announced as busy, and its end as idle", async () => {
  const { gate, isAnnouncedIdle } = await prepareNotifyGate();
  gate.onClaimed();
  vi.advanceTimersByTime(1_000);
  gate.onClaimed();
  expect(await isAnnouncedIdle()).toBe(false);
  gate.onDrained();
  await isAnnouncedIdle(); // waits until the announcement is written
  vi.useRealTimers();
  await expect.poll(isAnnouncedIdle).toBe(true);
});

test("A drain that ends while it is being announced as busy is announced as idle", async () => {
  const { gate, isAnnouncedIdle } = await prepareNotifyGate();
  gate.onClaimed();
  vi.advanceTimersByTime(1_000);
  gate.onClaimed();
  gate.onDrained();
  await isAnnouncedIdle(); // waits until the announcement is written
  vi.useRealTimers();
  await expect.poll(isAnnouncedIdle).toBe(true);
});

test("A change that comes while requests are in flight does not wait for them, whether changes notify or not", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen({ EMBED_POLL_MS: "60000", EMBED_MAX_CONCURRENCY: "64" });
  const insert = (text: string) =>
    client.query(
      "insert into patient_embeddings select coalesce(max(patient_id), 0) + 1, $1 from patient_embeddings",
      [text],
    );
  // Each answer raises the number of requests that may be in flight.
  for (let n = 0; n < 40; n++) {
    await insert(`before ${n}`);
    await listener.whenDrained();
  }
  provider.latencyMs = 10_000;
  await insert("the first");
  const expectAsked = (text: string) =>
    vi.waitFor(() => {
      expect(provider.requests.flatMap(({ texts }) => texts)).toContain(text);
    }, 4_000);
  const saysBusy = async () =>
    (await client.query("select from autoembed.embedding_listener where id <> 0 and not idle")).rowCount ===
    1;
  // Insert until changes do not notify any more.
  let change = 0;
  while (!(await saysBusy())) await insert(`change ${change++}`);
  await insert("while busy");
  await expectAsked("while busy");
  await vi.waitFor(async () => {
    expect(await saysBusy()).toBe(false);
  }, 4_000);
  await insert("once idle");
  await expectAsked("once idle");
  await listener.whenDrained(AbortSignal.timeout(30_000));
}, 180_000);
