import { expect, onTestFinished, test } from "vitest";
import { Work } from "../../src/backfill/work.ts";
import { Events } from "../../src/events.ts";
import { beginBackfill } from "../../src/pages/backfills.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { openMigrated } from "../support/migrated.ts";

test("Backfills have ended only if all had begun before they were looked for, and none was found", async () => {
  const { client, db } = await openMigrated();
  const { usable } = await loadSources(db);
  const [source] = usable;
  if (source === undefined) throw new Error("there is no source");
  const work = new Work(db, new Events(), usable, [], false);
  onTestFinished(() => {
    work.end();
  });
  const looking = work.look(0, false);
  await beginBackfill(db, source, { isAll: false });
  await looking;
  expect(work.hasEnded).toBe(false);
  await work.look(0, true);
  expect(work.hasEnded).toBe(false);
  await client.query("delete from autoembed.embedding_backfill");
  await work.look(0, true);
  expect(work.hasEnded).toBe(true);
});

test("What was done stays done while users change rows, which are to be done as well", async () => {
  const { db } = await openMigrated();
  const { usable } = await loadSources(db);
  const work = new Work(db, new Events(), usable, [], false);
  onTestFinished(() => {
    work.end();
  });
  const seen: number[][] = [];
  for (const pending of [3, 1, 5, 2, 0]) {
    await work.look(pending, true);
    seen.push([work.done, work.total]);
  }
  expect(seen).toEqual([
    [0, 3],
    [2, 3],
    [2, 7],
    [5, 7],
    [7, 7],
  ]);
});
