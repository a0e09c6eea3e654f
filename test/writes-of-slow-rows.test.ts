import { expect, test } from "vitest";
import { WriteSize } from "../src/pipeline/write-size.ts";
import { VectorArray } from "../src/database/vector-array.ts";
import { prepare, wrongRows } from "./support/listening.ts";

const sizes = (parts: readonly (readonly number[])[]): number[] => parts.map(({ length }) => length);
const rows = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test("rows that are slow to write are written in parts of about a quarter of a second, none left out", () => {
  const size = new WriteSize();
  expect(sizes(size.cut(rows(128)))).toEqual([32, 32, 32, 32]);
  size.learn(32, 3);
  expect(sizes(size.cut(rows(128)))).toEqual([128]);
  size.learn(128, 1_000);
  expect(size.cut(rows(128)).flat()).toEqual(rows(128));
  expect(sizes(size.cut(rows(128)))).toEqual([43, 43, 42]);
  size.learn(3, 1_000); // most of that is not the rows'
  expect(sizes(size.cut(rows(128)))).toEqual([43, 43, 42]);
  size.learn(16, 16_000);
  expect(sizes(size.cut(rows(64)))).toEqual([16, 16, 16, 16]);
  expect(size.cut([])).toEqual([]);
});

test("a part of a batch has the vectors of its own texts", () => {
  const vectors = new VectorArray(5, 3);
  for (const i of rows(5)) vectors.setFloats(i, [i, i + 0.5, -i]);
  const part = vectors.slice(2, 4);
  expect([part.count, ...rows(2).map((i) => [...part.at(i)])]).toEqual([2, [2, 2.5, -2], [3, 3.5, -3]]);
  expect(vectors.slice(0, 5)).toBe(vectors);
});

test("of a table whose rows are slow to write, none is held for a whole batch; each has its vector", async () => {
  const { client, listen } = await prepare({ EMBED_BATCH_SIZE: "128", EMBED_MAX_CONCURRENCY: "1" });
  await client.query(`
    create or replace function slowly() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(0.01);
      return new;
    end $$;
    create trigger slowly before update of embedding on patient_embeddings for each row execute function slowly()`);
  await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 256) n");
  const listener = await listen();
  const written: number[] = [];
  listener.events.on("embedded", (event) => written.push(event.rows));
  await listener.settled(AbortSignal.timeout(30_000));
  await client.query("drop trigger slowly on patient_embeddings");
  expect(await wrongRows(client)).toEqual([]);
  expect(written.reduce((sum, count) => sum + count)).toBe(256);
  expect(Math.max(...written)).toBeLessThanOrEqual(32);
});
