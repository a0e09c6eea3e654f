import { stripVTControlCharacters } from "node:util";
import { expect, test, vi } from "vitest";
import { collectPageData } from "../../src/http/page/page-data.ts";
import { RowCounts } from "../../src/http/page/row-counts.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { describeStatus } from "../../src/status/describe-status.ts";
import { sourceLabel } from "../../src/status/source-label.ts";
import {
  chunksOf,
  expectAllChunksRight,
  prepareChunkedDocuments,
  prose,
} from "../support/chunked-documents.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A backfill cuts existing texts, repairs chunks of texts that were changed with triggers disabled, and cuts all texts again for other sizes", async () => {
  const { client, watch, backfill, verify, db } = await prepareChunkedDocuments();
  await client.query("insert into app.documents select n, $1 || n from generate_series(1, 5) n", [prose(20)]);
  await watch();
  const report = await backfill();
  expect(report).toMatchObject({ sources: ["app.documents"], done: 5, total: 5, pending: 0, failed: 0 });
  expect(report.chunks).toBeGreaterThan(50);
  await expectAllChunksRight(client);
  expect(await verify()).toMatchObject({ sampled: 5, ok: true });
  expect((await collectStatus(db)).sources).toContainEqual(
    expect.objectContaining({ name: "app.documents", rows: 5, current: 5, problem: null }),
  );

  await client.query(`alter table app.documents disable trigger user;
    update app.documents set body = replace(body, 'Sentence a7', 'Phrase a7') where id = 1;
    update app.documents set body = body || ' And more.' where id = 2;
    update app.documents set body = ' ' where id = 3;
    alter table app.documents enable trigger user;
    delete from app.documents_passages where id = 4`);
  expect(await verify()).toMatchObject({ different_rows: 4, ok: false });
  await backfill();
  await expectAllChunksRight(client);

  await watch({ chunks: { chunk: 300, overlap: 0 } });
  expect(await verify()).toMatchObject({ ok: false });
  await backfill(true);
  expect(await verify()).toMatchObject({ sampled: 5, ok: true });
  expect((await chunksOf(client, 5)).some(({ passage }) => passage.length > 150)).toBe(true);
});

test("A backfill into chunks counts the user's rows: its total stands still, and a row is done with its last chunk", async () => {
  const { client, watch, backfill } = await prepareChunkedDocuments();
  await client.query("insert into app.documents select n, $1 || n from generate_series(1, 40) n", [
    prose(40),
  ]);
  await client.query("insert into app.documents values (41, ' '), (42, null)");
  await watch();
  const first = recordProgress();
  expect(await backfill(false, first)).toMatchObject({ done: 40, total: 40, pending: 0 });
  expect(first.isAlways(40)).toBe(true);
  expect(first.wentBack()).toBe(false);

  // Two to cut again, and two that miss a vector.
  await client.query(`alter table app.documents disable trigger user;
    update app.documents set body = body || ' And more.' where id in (1, 2);
    alter table app.documents enable trigger user;
    delete from autoembed.embedding_cache;
    update app.documents_passages set embedding = null where id in (3, 4)`);
  const second = recordProgress();
  expect(await backfill(false, second)).toMatchObject({ done: 4, total: 4, pending: 0 });
  expect(second.isAlways(4)).toBe(true);

  const all = recordProgress();
  expect(await backfill(true, all)).toMatchObject({ done: 40, total: 40, pending: 0 });
  expect(all.isAlways(40)).toBe(true);
  expect(all.wentBack()).toBe(false);
  await expectAllChunksRight(client);
  expect(await backfill()).toMatchObject({ done: 0, total: 0, chunks: 0, pending: 0 });
});

test("Status and page show chunks next to their texts, under the name that the user gave", async () => {
  const { client, watch, backfill, db, config } = await prepareChunkedDocuments();
  await client.query("insert into app.documents select n, $1 || n from generate_series(1, 3) n", [prose(10)]);
  await watch();
  await backfill();
  await client.query("update app.documents_passages set embedding = null where id = 2");

  const status = await collectStatus(db);
  expect(status.sources).toContainEqual(
    expect.objectContaining({ name: "app.documents_passages", chunks_of: "app.documents" }),
  );
  const text = stripVTControlCharacters(describeStatus(status));
  expect(text).toMatch(/^app\.documents +2\/3 .*\n└ its chunks +\d+\/\d+ /m);
  expect(text).toMatch(/^app\.documents \(its chunks\): .* no vector .*--source app\.documents$/m);
  expect(text).not.toContain("app.documents_passages");

  const { sources } = await collectPageData(db, config, new RowCounts(db, true));
  const named = sources.map(sourceLabel);
  expect(named.slice(named.indexOf("app.documents"))).toEqual([
    "app.documents",
    "app.documents (its chunks)",
  ]);
});

/** Of what is shown once all is counted, if it is before the end: whether the total stands still, and what is done ever went back. */
function recordProgress() {
  const shown: { done: number; total: number }[] = [];
  return {
    show: ({ done, total }: { done: number; total: number }, isCounted = true) => {
      if (isCounted) shown.push({ done, total });
    },
    end: () => undefined,
    isAlways: (rows: number) => shown.every(({ total }) => total === rows),
    wentBack: () => shown.some(({ done }, i) => done < (shown[i - 1]?.done ?? 0)),
  };
}
