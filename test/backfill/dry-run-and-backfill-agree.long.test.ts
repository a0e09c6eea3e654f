import { expect, test } from "vitest";
import { beginBackfill } from "../../src/pages/backfills.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { prepareDryRun } from "../support/dry-running.ts";

const OVERWRITTEN = "update patient_embeddings set embedding = '[9,9,9,9,9,9,9,9]'";

test("A dry run of all rows leaves out failed rows, as the backfill does", async () => {
  const { provider, insert, dryRun, backfill } = await prepareDryRun();
  provider.poison = (text) => text.startsWith("poison");
  await insert("case when i <= 2 then 'poison ' else 'text ' end || i", 20);
  await backfill();
  const { rows, texts } = await dryRun({ all: true });
  expect({ rows, texts }).toEqual({ rows: 18, texts: 0 });
  expect(await backfill(true)).toMatchObject({ done: rows, failed: 0 });
});

test("A dry run of all rows has a text that is known only to rows whose vectors were overwritten sent, as the backfill does", async () => {
  const { client, insert, dryRun, backfill, sent } = await prepareDryRun();
  await insert("'text ' || i % 15", 20);
  await backfill();
  await client.query(`${OVERWRITTEN} where patient_id % 15 < 5 or patient_id = 20`);
  const before = sent().length;
  // Of 5, rows 5 and 20 have the text: one was not overwritten.
  const report = await dryRun({ all: true });
  expect(report).toMatchObject({ rows: 20, equalTexts: 5, cachedTexts: 10, texts: 5 });
  await backfill(true);
  expect(sent().slice(before)).toHaveLength(report.texts);
});

test("A sample of all rows sends texts whose vectors were overwritten", async () => {
  const { client, insert, dryRun, backfill } = await prepareDryRun();
  await insert("'text ' || i", 20);
  await backfill();
  await client.query(OVERWRITTEN);
  expect(await dryRun({ all: true, sample: 5 })).toMatchObject({ sample: { kept: 5 }, texts: 15 });
});

test("A dry run counts what a backfill of all rows that was interrupted goes on with, and so does its progress", async () => {
  const { client, db, insert, dryRun, backfill, sent } = await prepareDryRun();
  await insert("'text ' || i", 20);
  await backfill();
  await client.query(OVERWRITTEN);
  expect(await dryRun()).toMatchObject({ rows: 0, texts: 0 });
  const [source] = await chooseSources(db, "patient_embeddings");
  if (source === undefined) throw new Error("patient_embeddings is not watched");
  await beginBackfill(db, source, { isAll: true });
  await client.query("update autoembed.embedding_ledger set embedded_at = now() where key::int <= 4");
  const before = sent().length;
  expect(await dryRun()).toMatchObject({ rows: 16, texts: 16 });
  expect(await dryRun({ all: true })).toMatchObject({ rows: 20, texts: 20 });
  expect(await backfill()).toMatchObject({ done: 16, total: 16, pending: 0 });
  expect(sent().slice(before)).toHaveLength(16);
  expect(await dryRun()).toMatchObject({ rows: 0, texts: 0 });
});
