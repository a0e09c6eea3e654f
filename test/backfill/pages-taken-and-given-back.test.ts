import { expect, test } from "vitest";
import { register } from "../../src/membership/listener-id.ts";
import { beginBackfill } from "../../src/pages/backfills.ts";
import { HeldPages } from "../../src/pages/held-pages.ts";
import { takePage } from "../../src/pages/take-page.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { openMigrated } from "../support/migrated.ts";

/** A backfill of three pages, and a listener. */
async function preparePages() {
  const { client, db } = await openMigrated();
  await client.query(`alter table patient_embeddings disable trigger user;
    insert into patient_embeddings select n, 'text ' || n from generate_series(1, 2500) n`);
  const [source] = (await loadSources(db)).usable;
  if (source === undefined) throw new Error("there is no source");
  await beginBackfill(db, source, { isAll: false });
  const { id: owner } = await register(db, {
    providers: [],
    in_flight: 0,
    answers_questions: true,
    budget: undefined,
  });
  const take = async (held: readonly string[]) => (await takePage(db, source, { owner, held }))?.id;
  return { client, db, source, take };
}

test("A listener that was taken for gone takes no page that it still reads, and others take it", async () => {
  const { client, take } = await preparePages();
  const first = await take([]);
  if (first === undefined) throw new Error("there is no page");
  await client.query("update autoembed.embedding_page set owner = null");
  const next = await take([first]);
  expect(next).toBeDefined();
  expect(next).not.toBe(first);
  expect(await take([])).toBe(first);
});

test("While so many pages wait that were given back, no further ones are made", async () => {
  const { client, take } = await preparePages();
  await client.query(`insert into autoembed.embedding_page (source_id, upto, not_before)
    select 1, '{1}', now() + interval '55 seconds' from generate_series(1, 64)`);
  expect(await take([])).toBeUndefined();
  await client.query(
    "delete from autoembed.embedding_page where id = (select min(id) from autoembed.embedding_page)",
  );
  expect(await take([])).toBeDefined();
});

test("A page that is given back again and again is left alone longer each time, and for ten seconds at most", async () => {
  const { db, source } = await preparePages();
  const pauses: number[] = [];
  const pages = new HeldPages(db, source, (milliseconds) => pauses.push(milliseconds));
  for (const attempts of [0, 1, 4, 6, 2_000]) {
    const page = pages.add({ id: "1", after: null, upto: ["9"], attempts, all_since: null }, 7);
    pages.read(page, 1, null);
    pages.rowEnded("1", false);
    await expect.poll(() => pages.size).toBe(0);
  }
  expect(pauses).toEqual([250, 500, 4_000, 10_000, 10_000]);
});
