import { expect, test, vi } from "vitest";
import { collectStatus } from "../../src/status/collect-status.ts";
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
  expect(report).toMatchObject({ pending: 0, failed: 0 });
  expect(report.done).toBeGreaterThan(50);
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
