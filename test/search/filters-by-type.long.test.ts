import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { UsageError } from "../../src/errors.ts";
import { createSearch, type Search } from "../../src/search/create-search.ts";
import type { Filter } from "../../src/search/filter.ts";
import { parseSearchBody } from "../../src/http/search-body.ts";
import { describeNative } from "../support/database.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { prepare, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

interface Case {
  readonly id: number;
  readonly tags: readonly string[] | null;
  readonly scores: readonly number[];
  readonly meta: unknown;
  readonly raw: unknown;
  readonly mood: "calm" | "cross" | null;
  readonly token: string;
  readonly seen: Date | string;
  readonly day: string;
  readonly done: boolean;
  readonly "Full Name": string | null;
}

const TOKEN = "0e37df36-f698-11e6-8dd4-cb9ced3df976";

let on: Listening;
let search: Search<Case>;
beforeEach(async () => {
  on = await prepare();
  const { client, database, environment } = on;
  await client.query(`
    drop table if exists public.cases; drop type if exists public.mood cascade;
    create type public.mood as enum ('calm', 'cross');
    create table public.cases (id bigint primary key, body text, tags text[], scores int[] not null default '{}', meta jsonb, raw json,
      mood public.mood, token uuid, seen timestamptz, day date, done boolean, "Full Name" text, embedding vector(8));
    select autoembed.watch('public.cases', 'body', source_name => 'cases')`);
  await client.query(
    `insert into public.cases values
      (1, 'one', '{a,b}', '{1,2}', '{"kind": "visit", "n": [1, 2]}', '{}', 'calm', $1, '2026-01-01T00:00Z', '2026-01-01', true, 'Ann O''Neil', $2),
      (2, 'two', '{b,"c, d"}', '{2}', '"visit"', '{}', 'cross', gen_random_uuid(), '2026-02-01T00:00Z', '2026-02-01', false, null, $2),
      (3, 'three', null, '{}', null, null, null, gen_random_uuid(), '2026-03-01T00:00Z', '2026-03-01', false, 'Bob "B" \\', $2)`,
    [TOKEN, `[${oracleVector("one", 8).join(",")}]`],
  );
  const config = readConfig(environment);
  search = createSearch<Case>({ config: { ...config, DATABASE_URL: database.url } });
  onTestFinished(() => search.close());
});

async function where(filter: Filter<Case>): Promise<number[]> {
  const { hits } = await search.search({ like: 1 }, { source: "cases", where: { id: { gt: 0 }, ...filter } });
  const others = hits.map(({ key }) => Number(key));
  // A row is not like itself: whether it passes is seen from another one.
  const { hits: first } = await search.search({ like: 2 }, { source: "cases", where: filter });
  return [...new Set([...others, ...first.map(({ key }) => Number(key))])].toSorted();
}

test.each<[string, Filter<Case>, readonly number[]]>([
  ["an element of an array", { tags: { contains: "b" } }, [1, 2]],
  ["an element with a comma", { tags: { contains: "c, d" } }, [2]],
  ["several elements, all of them", { tags: { contains: ["a", "b"] } }, [1]],
  ["several elements, one of them", { tags: { containsAny: ["a", "c, d", "z"] } }, [1, 2]],
  ["a number in an array", { scores: { contains: 2 } }, [1, 2]],
  ["a whole array", { scores: { eq: [1, 2] } }, [1]],
  ["another array, or none", { tags: { ne: ["a", "b"] } }, [2, 3]],
  ["no array", { tags: null }, [3]],
  ["a part of a jsonb", { meta: { contains: { kind: "visit" } } }, [1]],
  ["a jsonb that is a text", { meta: { eq: "visit" } }, [2]],
  ["a jsonb of several", { meta: { in: ["visit", { none: 1 }] } }, [2]],
  ["json or none", { raw: { isNull: true } }, [3]],
  ["a value of an enum", { mood: "calm" }, [1]],
  ["values of an enum", { mood: ["calm", "cross"] }, [1, 2]],
  ["all but a value of an enum", { mood: { ne: "calm" } }, [2, 3]],
  ["a uuid", { token: TOKEN.toUpperCase() }, [1]],
  ["a moment", { seen: { gte: new Date("2026-02-01T00:00:00Z") } }, [2, 3]],
  ["a moment as text", { seen: { lt: "2026-02-01T00:00:00Z" } }, [1]],
  ["days of a list", { day: ["2026-01-01", "2026-03-01"] }, [1, 3]],
  ["a boolean", { done: false }, [2, 3]],
  ["a column with capitals and blanks, and quotes in its value", { "Full Name": "Ann O'Neil" }, [1]],
  ["a value with quotes and a backslash", { "Full Name": { in: ['Bob "B" \\'] } }, [3]],
  ["no value", { "Full Name": { isNull: true } }, [2]],
])("A filter compares %s", async (_what, filter, expected) => {
  expect(await where(filter)).toEqual(expected);
});

test.each<[object, RegExp]>([
  [{ tags: "a" }, /where\.tags\.eq cannot be compared\. Give a list of values; contains takes one value too/],
  [
    { tags: ["a"] },
    /where\.tags is a list \(text\[\]\) and has no operator in\. There are: eq, ne, contains, containsAny, isNull/,
  ],
  [{ tags: { contains: ["a", null] } }, /where\.tags\.contains cannot be compared/],
  [{ done: { contains: true } }, /where\.done is one value \(boolean\) and has no operator contains/],
  [{ meta: { lt: 5 } }, /where\.meta is JSON \(jsonb\) and has no operator lt/],
  [{ raw: { eq: "x" } }, /where\.raw is JSON that cannot be compared \(json\) and has no operator eq/],
  [{ mood: { eq: { not: "secret" } } }, /where\.mood\.eq cannot be compared\. Give one value/],
  [{ mood: "secret" }, /SQLSTATE 22P02/],
  [{ token: "secret" }, /SQLSTATE 22P02/],
  [{ seen: "secret" }, /SQLSTATE 22007/],
  [{ scores: { contains: "secret" } }, /SQLSTATE 22P02/],
])("A filter that does not fit its column, %j, is refused and repeats no value", async (filter, message) => {
  const refused = await where(filter).then(
    () => "",
    (error: unknown) => (error instanceof UsageError ? `${error.message} ${error.remedy}` : String(error)),
  );
  expect(refused).toMatch(message);
  expect(refused).not.toContain("secret");
  expect(parseSearchBody(JSON.stringify({ question: "one", where: filter })).where).toEqual(filter);
});

const circle: unknown[] = [];
circle.push(circle);

test.each<[string, unknown]>([
  ["a tenant that was forgotten", { contains: { tenant: undefined } }],
  ["one that was forgotten further inside", { contains: { of: [{ tenant: undefined }] } }],
  ["a list with a gap", { contains: [, "a"] }], // eslint-disable-line no-sparse-arrays
  ["one of several values", { in: ["visit", { tenant: undefined }] }],
  ["a map", new Map([["secret", 1]])],
  ["a map inside", { contains: { tenant: new Map([["secret", 1]]) } }],
  ["no number", { contains: { tenant: NaN } }],
  ["an infinite number", { eq: Infinity }],
  ["a number that is rounded", { contains: { tenant: 2 ** 53 } }],
  ["no date", { contains: { seen: new Date(NaN) } }],
  ["a bigint", { contains: { tenant: 1n } }],
  ["a function", { contains: { tenant: () => "secret" } }],
  ["a symbol", { contains: { tenant: Symbol("secret") } }],
  ["a circle", { contains: circle }],
])("A filter of a jsonb refuses what is no JSON, rather than to find all: %s", async (_what, meta) => {
  const refused: unknown = await where({ meta }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UsageError);
  expect(String(refused)).toMatch(/where\.meta\.\w+ is no JSON/);
  expect(String(refused)).not.toContain("secret");
});

test("A filter compares domains as what they are made of, and composite types", async () => {
  const { client } = on;
  await client.query(`
    drop domain if exists public.outer_json, public.inner_json, public.its_mood;
    drop type if exists public.address;
    create domain public.inner_json as jsonb; create domain public.outer_json as public.inner_json;
    create domain public.its_mood as public.mood; create type public.address as (town text, zip int);
    alter table public.cases add notes public.outer_json, add feels public.its_mood, add lives public.address;
    update public.cases set notes = '{"kind": "visit"}', feels = 'cross', lives = '("Ulm, D",89073)' where id = 2`);
  for (const filter of [
    { notes: { contains: { kind: "visit" } } },
    { feels: "cross" },
    { feels: ["cross"] },
    { feels: { gte: "cross" } },
    { lives: '("Ulm, D",89073)' },
    { lives: { in: ['("Ulm, D",89073)'] } },
  ])
    expect({ filter, found: await where(filter as Filter<Case>) }).toEqual({ filter, found: [2] });
  expect(await where({ feels: { ne: "cross" } } as Filter<Case>)).toEqual([1, 3]);
});

test("A filter finds a column that is younger than what the application knows of the table", async () => {
  const { client } = on;
  expect(await where({ id: 1 })).toEqual([1]);
  await client.query(
    "alter table public.cases add flags text[] not null default '{new}', alter done type text",
  );
  expect(await where({ flags: { contains: "new" } } as object)).toEqual([1, 2, 3]);
  expect(await where({ done: { like: "tr%" } })).toEqual([1]);
  await client.query("alter table public.cases add later text default 'yes'");
  const { hits } = await search.search(
    { like: 1 },
    { source: "cases", select: ["later" as never], limit: 1 },
  );
  expect(hits.map(({ row }) => row)).toEqual([{ later: "yes" }]);
});

describeNative("Columns of an extension's type", "needs citext", () => {
  test("A filter compares citext by its own operators, wherever the extension is and whatever the role's search path", async () => {
    const { client, database, environment } = await prepare();
    await client.query(`
      drop schema if exists elsewhere cascade; create schema elsewhere; create extension citext schema elsewhere;
      drop table if exists public.people;
      create table public.people (id bigint primary key, body text, name elsewhere.citext, names elsewhere.citext[], embedding vector(8));
      select autoembed.watch('public.people', 'body', source_name => 'people')`);
    onTestFinished(async () => {
      await client.query("drop table public.people; drop schema elsewhere cascade");
    });
    await client.query(
      "insert into public.people values (1, 'one', 'Anna', '{Anna,Bob}', $1), (2, 'two', 'Carl', '{Carl}', $1)",
      [`[${oracleVector("one", 8).join(",")}]`],
    );
    const config = readConfig(environment);
    const people = createSearch<{ name: string; names: string[] }>({
      config: { ...config, DATABASE_URL: database.url },
    });
    onTestFinished(() => people.close());
    const found = async (filter: Filter<{ name: string; names: string[] }>) =>
      (await people.search("one", { source: "people", where: filter })).hits.map(({ key }) => key).toSorted();
    for (const filter of [
      { name: "ANNA" },
      { name: ["ANNA", "nobody"] },
      { name: { ne: "CARL" } },
      { name: { notIn: ["CARL"] } },
      { name: { like: "an%" } },
      { name: { lt: "BEA" } },
      { names: { contains: "ANNA" } },
      { names: { containsAny: ["BOB", "x"] } },
    ])
      expect({ filter, found: await found(filter) }).toEqual({ filter, found: ["1"] });
  });
});
