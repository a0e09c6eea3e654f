import { expect, test } from "vitest";
import { examineTables } from "../../src/doctor/examine-tables.ts";
import { migrate } from "../../src/migrate.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { openMigrated } from "../support/migrated.ts";

test("Where pgvector was dropped, `migrate` and `doctor` say so, and the doctor's remedies bring back what went with it", async () => {
  const { client, db, url } = await openMigrated();
  const again = (): Promise<void> => migrate({ databaseUrl: url, dimensions: 8 });
  await client.query("drop extension vector cascade");
  await expect(again()).rejects.toMatchObject({
    message: "The extension vector (pgvector) is gone from this database.",
    remedy: expect.stringContaining("create extension vector;") as unknown,
  });
  const [gone] = await examineTables(db);
  expect(gone?.what).toContain("The extension vector (pgvector) is gone");
  expect(gone?.remedy).toContain("As the owner of the database: create extension vector;");

  await client.query("create extension vector");
  const [lost] = await examineTables(db);
  expect(lost?.what).toBe(
    "The schema autoembed has lost embedding_cache.embedding, embedding_question.embedding.",
  );
  await client.query((lost?.remedy ?? "").replace(/^[^:]*: /, "").replace(/ Then: .*$/, ""));
  await again();
  expect(await examineTables(db)).toEqual([]);
  const { rows } = await client.query(`
    select attrelid::regclass::text as table, format_type(atttypid, atttypmod) as type, attnotnull as required
    from pg_attribute where attname = 'embedding' and attnum > 0
      and attrelid in ('autoembed.embedding_cache'::regclass, 'autoembed.embedding_question'::regclass) order by 1`);
  expect(rows).toEqual([
    { table: "autoembed.embedding_cache", type: "vector", required: true },
    { table: "autoembed.embedding_question", type: "vector", required: true },
  ]);
});

test("A migration of a database whose patient_embeddings has lost its vectors' column says how to add it, and then goes on", async () => {
  const { client, url } = await openMigrated();
  const again = (): Promise<void> => migrate({ databaseUrl: url, dimensions: 8 });
  await client.query(`drop schema autoembed cascade; alter table patient_embeddings drop column embedding`);
  const { remedy } = await again().then(
    () => ({ remedy: "" }),
    (error: unknown) => error as { remedy: string },
  );
  const statement = /alter table public\.patient_embeddings add column embedding vector\(8\);/.exec(remedy);
  await client.query(statement?.[0] ?? "select 'no such remedy' / 0");
  await again();
});

test("A listener does not start where a column of our tables is missing: it sends nothing, and says what doctor says", async () => {
  const { client, provider, listen } = await prepare();
  await client.query("insert into patient_embeddings values (1, 'a text')");
  await client.query("alter table autoembed.embedding_cache drop column embedding");
  await expect(listen()).rejects.toMatchObject({
    name: "SetupError",
    message: "The schema autoembed has lost embedding_cache.embedding.",
    remedy: expect.stringContaining("alter table autoembed.embedding_cache add column embedding") as unknown,
  });
  expect(provider.requests).toEqual([]);
  await client.query("alter table autoembed.embedding_cache add column embedding public.vector not null");
  const listener = await listen();
  await listener.whenDrained();
  const { rows } = await client.query("select vector_dims(embedding) as dimensions from patient_embeddings");
  expect(rows).toEqual([{ dimensions: DIMENSIONS }]);
});
