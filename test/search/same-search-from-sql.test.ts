import { sql } from "kysely";
import type pg from "pg";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { comparedDistance, comparisonOf, isStoredInRow } from "../../src/search/comparable.ts";
import { candidatesPerRow, FULL, parseIndexKind } from "../../src/search/index-kind.ts";
import { filteredRounds, indexRounds, type IndexRound } from "../../src/search/index-rounds.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { vectorType } from "../../src/sources/source-sql.ts";
import { prepare } from "../support/listening.ts";

/*
 * A search is written twice: in TypeScript (src/search/index-rounds.ts, index-kind.ts, comparable.ts, nearest.ts) and for
 * SQL (search_rounds, vector_forms, settings_for_candidates, is_dear). These tests hold the two to one another.
 */

const LENGTH = 16;
const LIMITS = [1, 10, 40, 41, 80, 100, 160, 161, 320, 321, 400, 401, 800, 801, 1_000, 1_001];

let client: pg.Client;
let db: Database;

async function watched(type: string, dimensions: number | null): Promise<void> {
  await client.query(`
    drop table if exists public.twice;
    create table public.twice (id int primary key, body text, embedding ${type});
    insert into public.twice select n, 'note ' || n,
        array_agg(sin(n * 7.3 + i * i) order by i)::real[]::vector
      from generate_series(1, 50) n, generate_series(1, ${lengthOf(type)}) i group by n;
    select autoembed.watch('public.twice', 'body', source_name => 'twice')`);
  await client.query("update autoembed.embedding_source set dimensions = $1 where name = 'twice'", [
    dimensions,
  ]);
}

beforeEach(async () => {
  const on = await prepare();
  ({ client } = on);
  db = connect({ databaseUrl: on.database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
});

/** As `search_rounds` has them, without those that compare what passes. */
async function roundsFromSql(limit: number, isChunked: boolean, filter?: string): Promise<IndexRound[]> {
  const { rows } = await client.query<{ near: string; least_rows: number; settings: Record<string, string> }>(
    `select r.near, r.least_rows, r.settings from autoembed.embedding_source s, autoembed.search_rounds(
       jsonb_populate_record(s, case when $2 then '{"passages": 500}' else '{}' end::jsonb), $1, $3) r
     where s.name = 'twice' and r.settings <> '{}'`,
    [limit, isChunked, filter],
  );
  return rows.map(({ near, least_rows: wanted, settings }) => {
    const [, candidates] = / limit (\d+)(?:\) n where n\.passes)?$/.exec(near) ?? [];
    return { candidates: Number(candidates), wanted, settings };
  });
}

test.each([
  [`vector(${LENGTH})`, "full"],
  [`vector(${LENGTH})`, "half"],
  [`vector(${LENGTH})`, "prefix:8"],
  [`vector(${LENGTH})`, "binary"],
  ["vector", "full"],
  ["vector", "prefix:8"],
  ["halfvec", "binary"],
  ["vector(2001)", "full"],
])("A %s with an index of the kind %s is looked through by SQL as by TypeScript", async (type, written) => {
  await watched(type, LENGTH);
  const kind = parseIndexKind(written);
  const { source } = await loadSearched(db, "twice");
  const { before, after, operators } = comparisonOf(source, kind);
  await client.query(
    `create index on public.twice using hnsw (${before || "("}embedding${after || ")"} public.${operators})`,
  );
  // The planner takes the rows for many.
  await client.query("analyze public.twice");
  await client.query(
    "update pg_class set reltuples = 1000100, relpages = 1 where oid = 'public.twice'::regclass",
  );
  const searched = await loadSearched(db, "twice");
  expect(searched.index).toEqual(kind);

  for (const isChunked of [false, true]) {
    for (const limit of LIMITS) {
      const of = `${limit} rows, ${isChunked ? "in chunks" : "whole"}`;
      const sure = { ...searched, isChunked };
      expect([of, await roundsFromSql(limit, isChunked)]).toEqual([of, indexRounds(kind, limit, sure)]);
      const filtered = await roundsFromSql(limit, isChunked, "id > 3");
      expect([of, filtered]).toEqual([of, filteredRounds(kind, limit, sure)]);
    }
  }
  const { rows } = await client.query<{ ordering: string; per_row: number }>(
    `select c.* from autoembed.embedding_source s, autoembed.candidates_sql(s) c where s.name = 'twice'
     union all select f.ordering, f.per_row from autoembed.embedding_source s, autoembed.vector_forms(s) f
     where s.name = 'twice' and f.per_row = 1`,
  );
  expect(rows.map((row) => row.per_row)).toEqual([candidatesPerRow(kind), 1]);
  const question = sql`${JSON.stringify(Array.from({ length: lengthOf(type) }, (_, i) => Math.cos(i)))}`;
  for (const [i, { ordering }] of rows.entries()) {
    const own = comparedDistance(
      source,
      i === 0 ? kind : FULL,
      sql`v.embedding`,
      sql`${question}::${vectorType(source)}`,
    );
    const [before = "", after = ""] = ordering.split("$1");
    const differing = await sql`select v.id from public.twice v
      where ${own} is distinct from ${sql.raw(before)}${question}${sql.raw(after)}`.execute(db);
    expect(differing.rows).toEqual([]);
  }
});

function lengthOf(type: string): number {
  return Number(/\d+/.exec(type)?.[0] ?? LENGTH);
}

test.each([
  ["vector", null],
  ["vector", 500],
  ["vector", 501],
  ["halfvec", null],
  ["halfvec", 1_000],
  ["halfvec", 1_001],
])("What is dear to compare of a %s of %s dimensions is the same to SQL", async (type, dimensions) => {
  await watched(type, dimensions);
  const { source } = await loadSearched(db, "twice");
  // To the planner a row costs 0.01: more than the limit beside the row, and less than that in the row.
  const { rows } = await client.query<{ dear: boolean }>(
    `select autoembed.is_dear(s, 'select from generate_series(1, 300000)') as dear
     from autoembed.embedding_source s where s.name = 'twice'`,
  );
  expect(rows).toEqual([{ dear: !isStoredInRow(source) }]);
});
