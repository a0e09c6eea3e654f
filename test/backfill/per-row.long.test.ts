import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare } from "../support/listening.ts";

test("A backfill with --per-row enters in the ledger what it writes, in vectors of their own too, and sends no text of a paused source", async () => {
  const { client, environment, provider } = await prepare();
  await client.query(`drop table if exists beside, beside_vectors, asleep;
    create table beside (a int, b text, words text, primary key (a, b));
    create table beside_vectors (a int, b text, embedding halfvec(8), primary key (a, b), foreign key (a, b) references beside on update cascade on delete cascade);
    select autoembed.watch('beside', 'words', vector_table => 'beside_vectors');
    create table asleep (id int primary key, words text, embedding vector(8));
    select autoembed.watch('asleep', 'words');
    update autoembed.embedding_source set paused = true where name = 'asleep';
    insert into asleep values (1, 'sleeping');
    insert into beside select n, 'key ' || n, 'words ' || n from generate_series(1, 3) n`);
  const command = runCommand(["backfill", "--per-row", "--json"], environment);
  expect(await command.exited).toBe(0);
  expect(JSON.parse(command.stdout())).toEqual({ rows: 3, left: 0 });
  expect(command.stderr()).toContain("Paused sources are not embedded: asleep.");
  expect(provider.requests.flatMap(({ texts }) => texts)).not.toContain("sleeping");
  const { rows } = await client.query(`
    select l.key, m.name like 'llm_api/% halfvec' as named from beside t join beside_vectors v using (a, b)
    join autoembed.embedding_ledger l on l.key = jsonb_build_array(a::text, b)::text
      and l.text_hash = sha256(convert_to(t.words, 'UTF8'))
      and l.vector_hash = substr(sha256(halfvec_send(v.embedding)), 1, 8)
    join autoembed.embedding_model m on m.id = l.model_id order by a`);
  expect(rows).toEqual([1, 2, 3].map((n) => ({ key: `["${n}", "key ${n}"]`, named: true })));
  await client.query("select autoembed.unwatch('beside'), autoembed.unwatch('asleep')");
  await client.query("drop table beside_vectors, beside, asleep");
});

test("A backfill with --per-row sends only what a backfill would, finds rows by any key, and says what is left", async () => {
  const { client, environment, provider } = await prepare();
  await client.query(`drop table if exists moments, documents;
    create table moments (at timestamptz primary key, words text, embedding vector(8));
    create table documents (id jsonb primary key, words text, embedding vector(8));
    select autoembed.watch('moments', 'words'), autoembed.watch('documents', 'words', settings => '{"max_text_characters": 100}');
    insert into moments select '2026-01-01 00:00:00.123456Z'::timestamptz + n * interval '1 us', 'moment ' || n from generate_series(1, 4) n;
    insert into documents select jsonb_build_object('n', n), 'document ' || n from generate_series(1, 3) n;
    insert into documents values ('{"n": 4}', repeat('long ', 30))`);
  provider.latencyMs = 1_000;
  const command = runCommand(["backfill", "--per-row", "--json"], environment);
  await expect
    .poll(() => provider.requests.some(({ texts }) => texts.includes("moment 1")), { timeout: 20_000 })
    .toBe(true);
  await client.query(
    "update moments set words = ' ' where words = 'moment 3'; update documents set words = null where words = 'document 3'",
  );
  provider.latencyMs = 0;
  expect(await command.exited).toBe(1);
  expect(JSON.parse(command.stdout())).toEqual({ rows: 5, left: 2 });
  const sent = provider.requests.flatMap(({ texts }) => texts).filter((text) => /moment|doc|long/.test(text));
  expect(sent.toSorted()).toEqual(["document 1", "document 2", "moment 1", "moment 2", "moment 4"]);
  await client.query("select autoembed.unwatch('moments'), autoembed.unwatch('documents')");
  await client.query("drop table moments, documents");
});
