import { expect, onTestFinished, test, vi } from "vitest";
import { Notifications } from "../../src/listener/notifications.ts";
import { coalesced } from "../../src/timing/coalesced.ts";
import { prepare, wrongRows } from "../support/listening.ts";

test("A notification whose payload is neither empty, nor the id of a source, nor `ask` wakes nobody", async () => {
  const { client, database } = await prepare();
  const heard: (number | "ask" | undefined)[] = [];
  await new Promise<void>((resolve) => {
    const notifications = new Notifications(database.url, {
      onChange: (id) => heard.push(id),
      onAsked: () => heard.push("ask"),
      onListening: resolve,
      onLost: () => undefined,
    });
    onTestFinished(() => notifications.stop());
    notifications.start();
  });
  await client.query(
    `select pg_notify('autoembed', p) from unnest('{x1,asks,7,-1,1.5,1e3,0x10,99999999999}'::text[]) p`,
  );
  await client.query("select pg_notify('autoembed', '')");
  await client.query("select pg_notify('autoembed', 'ask')");
  await expect.poll(() => heard).toEqual([7, undefined, "ask"]);
});

test("Any number of requests for a task while it runs, or pauses, are one more run", async () => {
  const clock = vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  let runs = 0;
  const ask = coalesced(250, async () => {
    runs++;
    await Promise.resolve();
    throw new Error("ends nothing");
  });
  for (let i = 0; i < 1_000; i++) ask();
  expect(runs).toBe(1);
  await clock.advanceTimersByTimeAsync(249);
  for (let i = 0; i < 1_000; i++) ask();
  expect(runs).toBe(1);
  await clock.advanceTimersByTimeAsync(2);
  expect(runs).toBe(2);
  await clock.advanceTimersByTimeAsync(1_000);
  expect(runs).toBe(2);
  ask();
  expect(runs).toBe(3);
});

test("A listener embeds a change while others flood its channel", { timeout: 60_000 }, async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  const beats = async () =>
    (await client.query("select from autoembed.embedding_listener where seen_at > now() - interval '3 s'"))
      .rowCount;
  await client.query("select pg_notify('autoembed', 'x' || g) from generate_series(1, 100000) g");
  for (let i = 0; i < 200; i++) await client.query("select pg_notify('autoembed', '')");
  await client.query("insert into patient_embeddings values (1, 'one')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(client)).toEqual([]);
  expect(await beats()).toBe(1);
});
