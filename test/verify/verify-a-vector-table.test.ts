import { expect, test, vi } from "vitest";
import { examineSource } from "../../src/doctor/examine-source.ts";
import { verifySource } from "../../src/verify/verify-source.ts";
import { prepareVectorTable } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

test("Verify finds a wrong vector in a table of vectors, and doctor a foreign key that is gone", async () => {
  const { client, db, config, source, listen } = await prepareVectorTable();
  const listener = await listen();
  await client.query("insert into app.documents select n, 't', 'text ' || n from generate_series(1, 20) n");
  await listener.whenDrained();
  const options = { sample: 100, minCosine: 0.99, minOverlap: 0, signal: new AbortController().signal };
  expect(await verifySource(db, config, await source(), options)).toMatchObject({ ok: true, sampled: 20 });
  await client.query(
    "update app.documents_embeddings set embedding = (select embedding from app.documents_embeddings where id = 8) where id = 7",
  );
  const report = await verifySource(db, config, await source(), options);
  expect(report.drifted.map(({ key }) => key)).toEqual(["7"]);

  const findings = async () =>
    (await examineSource(db, config, await source())).map(({ what }) => what).join("\n");
  expect(await findings()).toMatch(/with a foreign key to its rows/);
  await client.query("alter table app.documents_embeddings drop constraint documents_embeddings_id_fkey");
  expect(await findings()).toMatch(/lost its foreign key/);
});
