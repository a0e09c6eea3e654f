import { expect, test, vi } from "vitest";
import { search } from "../../src/application.ts";
import { chunksOf, prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { find } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A search finds each row once by its best chunk, however many chunks other rows have", async () => {
  const { client, listen, watch, config } = await prepareChunkedDocuments();
  await watch();
  const listener = await listen();
  // Row 1 has by far the most chunks near the query.
  const near = Array.from({ length: 300 }, (_, i) => `About diabetes, case ${i}.`.padEnd(70, "x") + ".").join(
    " ",
  );
  await client.query(
    `insert into app.documents select 1, $1 union all select n, 'Row ' || n || ' says this. ' || $2 from generate_series(2, 6) n`,
    [near, prose(6)],
  );
  await listener.whenDrained();
  const asked = (await chunksOf(client, 1))[2]?.passage ?? "";
  const { rows: best } = await client.query<{ key: string; distance: number; chunk: number }>(
    `select distinct on (id) id::text as key, embedding <=> $1::vector as distance, chunk from app.documents_passages
     order by id, embedding <=> $1::vector, chunk`,
    [`[${oracleVector(asked, DIMENSIONS).join(",")}]`],
  );
  const expected = best.toSorted((a, b) => a.distance - b.distance);
  const found = await search(config, asked, { source: "app.documents", limit: 6, withText: true });
  expect(found.map(({ key, chunk }) => ({ key, chunk: chunk?.number }))).toEqual(
    expected.map(({ key, chunk }) => ({ key, chunk })),
  );
  expect(found[0]).toMatchObject({ key: "1", text: asked });
  const { rows: fromSql } = await client.query<{ key: string; chunk: number; said: string }>(
    `select s.key, s.chunk, substr(d.body, s.start_char + 1, s.end_char - s.start_char) as said
     from autoembed.search('app.documents', $1::vector, 6) s join app.documents d on d.id = s.key::bigint order by s.distance`,
    [`[${oracleVector(asked, DIMENSIONS).join(",")}]`],
  );
  expect(fromSql.map(({ key, chunk }) => ({ key, chunk }))).toEqual(
    expected.map(({ key, chunk }) => ({ key, chunk })),
  );
  expect(fromSql[0]?.said).toBe(asked);
  expect(await search(config, asked, { source: "app.documents", limit: 2 })).toHaveLength(2);
});

test("Hybrid search over chunks finds each row once", async () => {
  const { client, listen, watch, db } = await prepareChunkedDocuments();
  await watch();
  const listener = await listen();
  await client.query(`insert into app.documents values (1, $1), (2, $2)`, [
    `${prose(8)} Amlodipine was given. ${prose(8, "b")} Amlodipine was stopped.`,
    prose(8, "c"),
  ]);
  await listener.whenDrained();
  const options = { hybrid: true, limit: 5, withText: true };
  const found = await find(db, "app.documents", "amlodipine", options);
  expect(found.map(({ key }) => key).toSorted()).toEqual(["1", "2"]);
  expect(found[0]).toMatchObject({ key: "1" });
  expect(found[0]?.text).toMatch(/Amlodipine/);
  expect(found[0]?.chunk).toBeDefined();
});

test("A text in chunks is offered by its own name, and not by that of its chunks", async () => {
  const { watch, config } = await prepareChunkedDocuments();
  await watch();
  await expect(search(config, "anything")).rejects.toMatchObject({
    remedy: "Name one: patient_embeddings, app.documents.",
  });
  await expect(search(config, "anything", { source: "nothing" })).rejects.toMatchObject({
    remedy: "Sources: patient_embeddings, app.documents.",
  });
});
