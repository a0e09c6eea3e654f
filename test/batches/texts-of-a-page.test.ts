import { expect, test } from "vitest";
import { readPage, type PageRow } from "../../src/batches/read-page.ts";
import { findModel } from "../../src/ledger/model.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { prepareDryRun } from "../support/dry-running.ts";

test("A text that is known only to a row whose vector was overwritten goes into a batch, and one that a row lends does not", async () => {
  const { client, db, insert, backfill } = await prepareDryRun();
  await insert("'text ' || i", 3);
  await backfill();
  await client.query("update patient_embeddings set embedding = '[9,9,9,9,9,9,9,9]' where patient_id = 2");
  const [source] = await chooseSources(db, "patient_embeddings");
  if (source === undefined) throw new Error("patient_embeddings is not watched");
  const { rows: models } = await client.query<{ name: string }>("select name from autoembed.embedding_model");
  const named = { fingerprint: models[0]?.name ?? "", earlierName: undefined };
  const model = await findModel(db, named, "vector");
  const page = { id: "1", after: null, upto: ["3"], attempts: 0, all_since: "infinity" };
  const rows: PageRow[] = [];
  for await (const row of readPage(db, source, page, { model, textCharacters: 100 })) rows.push(row);
  expect(rows.map(({ key, text }) => [key, text])).toEqual([
    ["1", null],
    ["2", "text 2"],
    ["3", null],
  ]);
});
