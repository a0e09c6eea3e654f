import { expect, onTestFinished, test } from "vitest";
import { partsOf, WriteSize } from "../../src/pipeline/write-size.ts";
import { VectorArray } from "../../src/database/vector-array.ts";
import { prepare, wrongRows } from "../support/listening.ts";

const sizes = (parts: readonly (readonly number[])[]): number[] => parts.map(({ length }) => length);
const rows = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test("Rows that are slow to write are written in parts of about a quarter of a second, and none is left out", () => {
  const size = new WriteSize();
  expect(sizes(size.cut(rows(128)))).toEqual([32, 32, 32, 32]);
  size.wrote(32, 3);
  expect(sizes(size.cut(rows(128)))).toEqual([128]);
  size.wrote(128, 1_000);
  expect(size.cut(rows(128)).flat()).toEqual(rows(128));
  expect(sizes(size.cut(rows(128)))).toEqual([43, 43, 42]);
  size.wrote(3, 1_000); // most of that time is the commit's
  expect(sizes(size.cut(rows(128)))).toEqual([43, 43, 42]);
  size.wrote(16, 16_000);
  expect(sizes(size.cut(rows(64)))).toEqual([16, 16, 16, 16]);
  expect(size.cut([])).toEqual([]);
});

test("Writes are not made smaller where every commit is slow, since that would only be more commits", () => {
  const size = new WriteSize();
  for (let i = 0; i < 20; i++) {
    size.claimed(300);
    for (const part of size.cut(rows(512))) size.wrote(part.length, 300 + 0.1 * part.length);
  }
  expect(sizes(size.cut(rows(512)))).toEqual([512]);
});

test("Rows of one text are written in parts too, each with its vector", () => {
  const vectors = new VectorArray(3, 1);
  for (const i of rows(3)) vectors.setFloats(i, [i + 1]);
  const texts = [2, 70, 3].map((count, i) => ({
    hash: `hash ${i}`,
    text: `text ${i}`,
    tickets: rows(count).map((n) => `${i}.${n}`),
  }));
  const parts = partsOf(new WriteSize(), texts, vectors);
  expect(parts.map((part) => part.texts.map(({ tickets }) => tickets.length))).toEqual([
    [2, 23],
    [25],
    [22, 3],
  ]);
  expect(parts.map((part) => rows(part.vectors.count).map((i) => part.vectors.at(i)[0]))).toEqual([
    [1, 2],
    [2],
    [2, 3],
  ]);
  expect(parts.map((part) => part.texts.map(({ hash }) => hash))).toEqual([
    ["hash 0", "hash 1"],
    ["hash 1"],
    ["hash 1", "hash 2"],
  ]);
  expect(parts.flatMap((part) => part.texts.flatMap(({ tickets }) => tickets))).toEqual(
    texts.flatMap(({ tickets }) => tickets),
  );
});

test("A part of a batch has the vectors of its own texts", () => {
  const vectors = new VectorArray(5, 3);
  for (const i of rows(5)) vectors.setFloats(i, [i, i + 0.5, -i]);
  const part = vectors.slice(2, 4);
  expect([part.count, ...rows(2).map((i) => [...part.at(i)])]).toEqual([2, [2, 2.5, -2], [3, 3.5, -3]]);
  expect(vectors.slice(0, 5)).toBe(vectors);
});

test.each([
  ["different", "'row ' || n"],
  ["equal", "'one text'"],
])("Rows that are slow to write are not held for a whole batch where texts are %s", async (_, text) => {
  const { client, listen } = await prepare({ EMBED_BATCH_SIZE: "128", EMBED_MAX_CONCURRENCY: "1" });
  onTestFinished(async () => {
    await client.query("drop trigger slowly on patient_embeddings");
  });
  await client.query(`
    create or replace function slowly() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(0.01);
      return new;
    end $$;
    create trigger slowly before update of embedding on patient_embeddings for each row execute function slowly()`);
  await client.query(`insert into patient_embeddings select n, ${text} from generate_series(1, 256) n`);
  const listener = await listen();
  const written: number[] = [];
  const count = (event: { rows: number }): void => void written.push(event.rows);
  listener.events.on("embedded", count).on("cached", count);
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(client)).toEqual([]);
  expect(written.reduce((sum, rows) => sum + rows)).toBe(256);
  expect(Math.max(...written)).toBeLessThanOrEqual(32);
});
