import { expect, test, vi } from "vitest";
import { dryRun } from "../../src/backfill/dry-run.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { prepareVectorTable, wrongVectors } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A backfill finds rows with no vector, with another text's vector and with no text, and dry run and status count them", async () => {
  const { client, db, config, source, backfill } = await prepareVectorTable();
  await client.query("insert into app.documents values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', 'three')");
  await client.query("truncate autoembed.embedding_queue");
  const signal = new AbortController().signal;
  expect(await dryRun(db, config, await source(), { sample: null, all: false, signal })).toMatchObject({
    rows: 3,
  });
  expect(await backfill()).toMatchObject({ done: 3, pending: 0 });
  expect(await wrongVectors(client)).toEqual([]);

  await client.query("alter table app.documents disable trigger user");
  await client.query("update app.documents set body = 'two, unseen' where id = 2");
  await client.query("update app.documents set body = null where id = 3");
  await client.query("insert into app.documents values (4, 'd', 'four')");
  await client.query("alter table app.documents enable trigger user");
  expect(await wrongVectors(client)).toEqual(["2", "3", "4"]);
  expect(await backfill()).toMatchObject({ done: 3, pending: 0 });
  expect(await wrongVectors(client)).toEqual([]);
  const status = (await collectStatus(db)).sources.find(({ name }) => name === "docs");
  expect(status).toMatchObject({ rows: 3, current: 3, pending: 0, problem: null });
});
