import { getEventListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { NotifyGate } from "../../src/listener/notify-gate.ts";
import { connect } from "../../src/database/connect.ts";
import { unlessAborted } from "../../src/timing/unless-aborted.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 60_000 });

test("While changes do not notify, a busy listener looks for what is due and wakes no source that has nothing to do", async () => {
  const { database } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const wakeAll = vi.fn();
  const wakeDue = vi.fn(() => Promise.resolve());
  const gate = new NotifyGate({ db, ids: () => [], wakeAll, wakeDue, isDraining: () => false });
  onTestFinished(() => {
    gate.stop();
  });
  // Changes come one upon the other, for longer than a moment.
  while (wakeDue.mock.calls.length < 3) {
    gate.onClaimed();
    await delay(10);
  }
  expect(wakeAll).not.toHaveBeenCalled();
  wakeDue.mockRejectedValueOnce(new Error("the database is away"));
  while (wakeAll.mock.calls.length === 0) {
    gate.onClaimed();
    await delay(10);
  }
});

test("Many wait for one signal without a warning of a leak, and leave nothing at it", async () => {
  const warned = vi.fn();
  process.on("warning", warned);
  onTestFinished(() => void process.off("warning", warned));
  const { signal } = new AbortController();
  const waits = Array.from({ length: 30 }, () => unlessAborted(signal, delay(20, "done")));
  expect(new Set(await Promise.all(waits))).toEqual(new Set(["done"]));
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(warned).not.toHaveBeenCalled();
});
