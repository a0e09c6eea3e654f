import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { prepareDeclaring } from "../support/declaring.ts";

vi.setConfig({ testTimeout: 180_000 });

const TABLES = `
  create table shop.plain (id bigint primary key, body text);
  create table shop.composite (tenant text, number int, note text, primary key (tenant, number));
  create table shop.keyed (code text not null unique, body text);
  create table shop."Odd ""Name"".x" ("Call Id" uuid primary key, "What ""was"" said" text, other text);
  create table shop.posts (id int primary key, title text, body text);
  create table shop.long (id int primary key, body text);
  create table shop.apart (id int primary key, body text);
  create table shop.own (id int primary key, body text)`;

const SHAPES: readonly WatchOptions[] = [
  { table: "shop.plain", text: "body" },
  { table: "shop.composite", text: "note", vector: "note_vector", type: "halfvec", tenant: "tenant" },
  { table: "shop.keyed", text: "body", key: ["code"], name: "keyed 'by' \"code\"" },
  { table: `shop."Odd ""Name"".x"`, text: 'What "was" said' },
  { table: `shop."Odd ""Name"".x"`, text: "other", vector: "Other Vector", name: "odd, other" },
  { table: "shop.posts", text: "title || E'\\n' || coalesce(body, '')", into: 'shop."Post Vectors"' },
  {
    table: "shop.long",
    text: "body",
    into: "long_chunks",
    chunks: { chunk: 120, overlap: 7, unit: "tokens" },
    tenant: "id",
  },
  { table: "shop.apart", text: "body", into: "apart_vectors" },
  {
    table: "shop.own",
    text: "body",
    backend: "ollama",
    model: "other-model",
    dimensions: 8,
    settings: { base_url: "http://127.0.0.1:9", document_prefix: 'say "it": ', batch_size: 7 },
  },
];

test("The sources of a database of many shapes, written as a file, have no difference to the database", async () => {
  const { database, environment, client, write, run, folder } = await prepareDeclaring(TABLES);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  try {
    for (const shape of SHAPES) await watch(db, readConfig(environment), shape);
  } finally {
    await db.destroy();
  }
  await client.query("create index on shop.plain using hnsw (embedding vector_cosine_ops)");
  const before = await definitions(client);

  const written = await run("sources", "--as-config");
  expect(written).toMatchObject({ code: 0, stderr: "" });
  await write(written.stdout);
  const diff = await run("diff", "--check", "--prune", "--json");
  expect(diff).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(diff.stdout)).toMatchObject({
    steps: [],
    problems: [],
    not_declared: [],
    differs: false,
  });
  expect((await run("diff", "--check")).stdout).toContain("No difference");

  // In an empty database the file makes the same sources again, except for what is the table's own.
  for (const { name } of before) await client.query("select autoembed.unwatch($1)", [name]);
  const missing = JSON.parse((await run("diff", "--json")).stdout) as { steps: { step: string }[] };
  expect(missing.steps.filter(({ step }) => step === "watch")).toHaveLength(SHAPES.length + 1);
  const applied = await run("apply", "--yes", "--no-backfill");
  expect(applied).toMatchObject({ code: 0, stderr: "" });
  expect(await definitions(client)).toEqual(before);
  expect((await run("diff", "--check")).code).toBe(0);
  expect(await readFile(join(folder, "autoembed.config.ts"), "utf8")).toBe(written.stdout);
});

interface DefinitionRow {
  readonly name: string;
}

async function definitions(client: { query: (text: string) => Promise<{ rows: unknown[] }> }) {
  const { rows } = await client.query(`
    select name, watched_table::text, key_columns, text_expression, vector_column, vector_table::text, passages, backend,
      model, dimensions, settings
    from autoembed.embedding_source order by name`);
  return rows as readonly DefinitionRow[];
}
