import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { CompiledQuery, Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import type { CompiledSearch } from "../../src/search/ranked-rows.ts";
import { prepare, type Listening } from "../support/listening.ts";

const TEXTS = ["an aching wrist", "asthma", "a broken ankle"];
/** A key of two columns, one with a name and a value that must be quoted. */
const KEYS = [`o'brien "7"`, "\\back $1", "plain"];

let on: Listening;
let pool: pg.Pool;
beforeEach(async () => {
  on = await prepare();
  await on.client.query(`
    drop table if exists public.visits;
    create table public.visits ("Ward no" text, day integer, body text, embedding vector(8), primary key ("Ward no", day));
    select autoembed.watch('public.visits', 'body', source_name => 'visits')`);
  const listener = await on.listen();
  await on.client.query(
    "insert into public.visits select k, i, t from unnest($1::text[], $2::text[]) with ordinality r(k, t, i)",
    [KEYS, TEXTS],
  );
  await listener.whenDrained();
  await listener.stop();
  pool = new pg.Pool({ connectionString: on.database.url, max: 1 });
  onTestFinished(() => pool.end());
});

async function query(question: string, hybrid = false): Promise<CompiledSearch> {
  const config = readConfig(on.environment);
  const search = createSearch({ config, pool });
  onTestFinished(() => search.close());
  return await search.query(question, { source: "visits", hybrid });
}

const join = (ranked: string): string =>
  `select v.body, r.* from (${ranked}) r join public.visits v using ("Ward no", day) order by r.place`;

interface Found {
  readonly body: string;
  readonly day: number;
  readonly score: number;
  readonly distance: number | null;
  readonly place: number;
}

/** What `$queryRawUnsafe` of Prisma does with its arguments: the statement, and each parameter by its place. */
const prisma = {
  async $queryRawUnsafe(statement: string, ...parameters: unknown[]): Promise<Found[]> {
    return (await pool.query<Found>(statement, parameters)).rows;
  },
};

function check(rows: readonly Found[]): void {
  expect(rows.map(({ place }) => place)).toEqual([1, 2, 3]);
  expect(rows[0]).toMatchObject({ body: TEXTS[1], day: 2 });
  expect(rows[0]?.score).toBeCloseTo(1, 5);
  expect(rows.map(({ score, distance }) => score + (distance ?? NaN))).toEqual([1, 1, 1].map(approximately));
  expect(rows.map(({ body }) => body).toSorted()).toEqual(TEXTS.toSorted());
}

const approximately = (value: number): number => expect.closeTo(value, 9) as number;

test("pg runs the query with its parameters, and with parameters of the application after them", async () => {
  const found = await query("asthma");
  expect(found.parameters).toEqual([expect.any(String)]);
  check((await pool.query<Found>(join(found.sql), [...found.parameters])).rows);
  const one = await pool.query<Found>(`select * from (${join(found.sql)}) j where body = $2`, [
    ...found.parameters,
    TEXTS[0],
  ]);
  expect(one.rows).toHaveLength(1);
});

test("Kysely runs the query", async () => {
  const found = await query("asthma");
  const db = new Kysely<never>({ dialect: new PostgresDialect({ pool }) });
  const { rows } = await db.executeQuery(CompiledQuery.raw(join(found.sql), [...found.parameters]));
  check(rows as Found[]);
});

test("Drizzle runs the query, with its parameter bound", async () => {
  const found = await query("asthma");
  const [before = "", after = ""] = found.sql.split("$1");
  const ranked = sql`${sql.raw(before)}${found.parameters[0]}${sql.raw(after)}`;
  const joined = sql`select v.body, r.* from (${ranked}) r join public.visits v using ("Ward no", day) order by r.place`;
  const { rows } = await drizzle(pool).execute(joined);
  check(rows as unknown as Found[]);
});

test("Prisma's call, on a stand-in that binds its parameters, runs the query", async () => {
  const found = await query("asthma");
  check(await prisma.$queryRawUnsafe(join(found.sql), ...found.parameters));
});

test("Rows that were found by their words alone have no distance, and no rows are an empty table", async () => {
  void on.provider.close();
  const byWords = await query("broken ankles", true);
  expect(await prisma.$queryRawUnsafe(join(byWords.sql), ...byWords.parameters)).toMatchObject([
    { body: TEXTS[2], distance: null, place: 1 },
  ]);
  const nothing = await query("unheard", true);
  expect(await prisma.$queryRawUnsafe(join(nothing.sql), ...nothing.parameters)).toEqual([]);
});
