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
