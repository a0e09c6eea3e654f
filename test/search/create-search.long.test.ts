import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch, type Search } from "../../src/search/create-search.ts";
import type { Filter } from "../../src/search/filter.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

vi.setConfig({ testTimeout: 180_000 });

interface Ticket {
  readonly id: number;
  readonly tenant: string;
  readonly price: number | null;
  readonly body: string;
}

const BODIES = [
  "a printer prints blank pages",
  "the printer is out of paper",
  "a password was forgotten",
  "pages load slowly",
];

let on: Listening;
let search: Search<Ticket>;
beforeEach(async () => {
  on = await prepare();
  await on.client.query(`
    drop table if exists public.tickets;
    create table public.tickets (id bigint primary key, tenant text, price integer, body text, embedding vector(8));
    select autoembed.watch('public.tickets', 'body', source_name => 'tickets')`);
  const listener = await on.listen();
  for (const [i, body] of BODIES.entries())
    await on.client.query("insert into public.tickets values ($1, $2, $3, $4)", [
      i + 1,
      i % 2 === 0 ? "a" : "b",
      i === 3 ? null : 10 * i,
      body,
    ]);
  await listener.whenDrained();
  await listener.stop();
  search = createSearch<Ticket>({ config: settings() });
  onTestFinished(() => search.close());
});

function settings() {
  const config = readConfig(on.environment);
  return { ...config, DATABASE_URL: on.database.url };
}

/** Postgres uses a new index when no transaction is left that sees rows from before it. */
async function indexWords(): Promise<void> {
  await on.client.query("create index on public.tickets using gin (to_tsvector('english', body))");
  await expect
    .poll(async () => {
      const another = createSearch<Ticket>({ config: settings() });
      const { rankedBy } = await another.search(question, { source: "tickets" });
      await another.close();
      return rankedBy;
    })
    .toBe("meaning and words");
}

const question = BODIES[1] ?? "";
const keys = (found: { readonly hits: readonly { readonly key: string }[] }): string[] =>
  found.hits.map(({ key }) => key);

test("A search whose question gets no vector in time fails with what to do, as one whose provider is down", async () => {
  const impatient = createSearch({ config: { ...settings(), EMBEDDING_TIMEOUT: 300 } });
  onTestFinished(() => impatient.close());
  on.provider.always("hang");
  await expect(impatient.search("a question that is new", { source: "tickets" })).rejects.toMatchObject({
    name: "ProviderError",
    kind: "unavailable",
    message: expect.stringMatching(
      /within 300 ms.* Nothing was searched: search again in a moment/,
    ) as string,
  });
});

test("A search goes on in a table that was renamed, also where another table got its name", async () => {
  expect(keys(await search.search(question, { source: "tickets", limit: 1 }))).toEqual(["2"]);
  await on.client.query(`
    drop table if exists public.issues;
    begin; alter table public.tickets rename to issues;
    create table public.tickets (like public.issues including all);
    insert into public.tickets select 10 + id, tenant, price, body, embedding from public.issues; commit`);
  onTestFinished(async () => {
    await on.client.query("drop table public.issues");
  });
  expect(keys(await search.search(question, { source: "tickets", limit: 1 }))).toEqual(["2"]);
});

test("An application finds the nearest rows with score, text, snippet and the columns that it selects", async () => {
  const found = await search.search(question, {
    source: "tickets",
    limit: 2,
    select: ["id", "price"],
    withText: true,
    withSnippet: true,
  });
  expect(found).toMatchObject({ rankedBy: "meaning", notice: null });
  expect(found.hits).toHaveLength(2);
  expect(found.hits[0]).toMatchObject({ key: "2", text: question, row: { id: "2", price: 10 } });
  expect(found.hits[0]?.score).toBeCloseTo(1, 5);
  expect(found.hits[0]?.snippet).toContain("printer");
});

test("A snippet is the whole of a short text, with its dose, and of a long one the part around the words", async () => {
  const short = "He takes amlodipine 10";
  const long = `${"Nothing of note. ".repeat(60)}On amlodipine 10 mg. ${"Nothing of note. ".repeat(60)}`;
  await on.client.query(
    "update public.tickets set body = case id when 1 then $1 else $2 end where id in (1, 2)",
    [short, long],
  );
  const found = await search.search("amlodipine", {
    source: "tickets",
    where: { id: [1, 2] },
    withSnippet: true,
  });
  const [first, second] = found.hits.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  expect(first?.snippet).toBe(short);
  expect(second?.snippet).toMatch(/^Nothing.* On amlodipine 10 mg\. Nothing/);
  expect(second?.snippet?.length).toBeLessThan(401);
});

test("Filters are data: values are bound, and every operator compares as Postgres does", async () => {
  const where = async (filter: Filter<Ticket>) =>
    keys(await search.search(question, { source: "tickets", where: filter })).toSorted();
  expect(await where({ tenant: "a" })).toEqual(["1", "3"]);
  expect(await where({ price: { lt: 20 } })).toEqual(["1", "2"]);
  expect(await where({ price: { gte: 10, lte: 20 } })).toEqual(["2", "3"]);
  expect(await where({ price: null })).toEqual(["4"]);
  expect(await where({ price: { isNull: false }, tenant: ["b", "c"] })).toEqual(["2"]);
  expect(await where({ id: [1, 4] })).toEqual(["1", "4"]);
  expect(await where({ id: { notIn: [1, 4] }, tenant: { ne: "b" } })).toEqual(["3"]);
  expect(await where({ body: { ilike: "%PRINTER%" } })).toEqual(["1", "2"]);
  expect(await where({ tenant: "a' or true --" })).toEqual([]);
});

test("A filter that says nothing, or not what could be compared, is refused with what to do", async () => {
  const refused = async (filter: object, message: RegExp) => {
    await expect(search.search(question, { source: "tickets", where: filter })).rejects.toThrow(message);
  };
  await refused({ tenant: undefined }, /where.tenant is undefined/);
  await refused({ tenant: {} }, /where.tenant is empty/);
  await refused(new Map([["tenant", "a"]]), /no plain object/);
  await refused({ tenant: { notIn: ["b", null] } }, /cannot be compared/);
  await refused({ price: { isNull: "yes" } }, /cannot be compared/);
  await refused({ price: { below: 5 } }, /no operator below/);
  await refused({ price: { lt: [1] } }, /cannot be compared/);
  await refused({ colour: "red" }, /There is no column colour to compare/);
  await refused({ price: { lt: "dear" } }, /SQLSTATE 22P02/);
  await expect(search.search(" ", { source: "tickets" })).rejects.toThrow(/has no words/);
  await expect(search.search(question, { source: "tickets", limit: 0 })).rejects.toThrow(/limit is 0/);
  await expect(search.search(question, { source: "tickets", select: ["colour" as never] })).rejects.toThrow(
    /colour/,
  );
});

test("Rows like a row are found by its own vector, without the provider", async () => {
  const requests = on.provider.requests.length;
  const found = await search.search({ like: 2 }, { source: "tickets", limit: 3 });
  expect(keys(found).toSorted()).toEqual(["1", "3", "4"]);
  expect(on.provider.requests).toHaveLength(requests);
  await expect(search.search({ like: 99 }, { source: "tickets" })).rejects.toThrow(/no row with that key/);
});

test("Of several sources one must be named, and nothing found says why", async () => {
  await expect(search.search(question)).rejects.toThrow(/Several sources/);
  await expect(search.search(question, { source: "ticket" })).rejects.toThrow(
    /No source is called "ticket"; did you mean tickets\?/,
  );
  await expect(search.search(question, { source: "public.tickets" })).rejects.toThrow(
    /did you mean tickets\?/,
  );
  const notice = async (options: object) =>
    (await search.search(question, { source: "tickets", ...options })).notice;
  expect(await notice({ where: { tenant: "z" } })).toBe("No row passes the conditions.");
  expect(await notice({ minScore: 1.5 })).toMatch(/the best has 1\.000/);
  expect(await notice({ source: "patient_embeddings" })).toBe("patient_embeddings has no embedded rows yet.");
  await on.client.query("insert into public.tickets values (9, 'z', 1, 'not embedded yet')");
  expect(await notice({ where: { tenant: "z" } })).toBe(
    "The rows that pass the conditions are not embedded yet.",
  );
});

test("Where the words have an index they rank too; quotes require, a minus excludes", async () => {
  await indexWords();
  const found = await search.search("printers of pages", { source: "tickets", weights: { words: 1 } });
  expect(found.rankedBy).toBe("meaning and words");
  expect(found.hits[0]?.key).toBe("1");
  expect(keys(await search.search('"out of paper" printer', { source: "tickets" }))).toEqual(["2"]);
  expect(keys(await search.search("printer -paper", { source: "tickets" }))).not.toContain("2");
  expect((await search.search("printer", { source: "tickets", hybrid: false })).rankedBy).toBe("meaning");
});

test("While the provider does not answer, the words alone do, and the answer says so", async () => {
  await indexWords();
  void on.provider.close();
  const found = await search.search("forgotten passwords", { source: "tickets", withText: true });
  expect(found).toMatchObject({ rankedBy: "words", hits: [{ key: "3", distance: null, text: BODIES[2] }] });
  expect(found.notice).toMatch(/could not be embedded/);
  // A question is neither kept nor tried again, as rows are.
  const byMeaning = await search
    .search("forgotten", { source: "tickets", hybrid: false })
    .catch((error: unknown) => String(error));
  expect(byMeaning).toContain("search again in a moment, or by words too");
  expect(byMeaning).not.toContain("nothing is lost");
});

test("A question that the provider refuses is refused with what helps a question, and not a row's text", async () => {
  const refusal = async (): Promise<string> =>
    await search.search("forgotten passwords", { source: "tickets", hybrid: false }).then(() => "", String);
  on.provider.always(400);
  expect(await refusal()).toMatch(/Ask in other words\.$/);
  on.provider.always(undefined);
  on.provider.longestText = 10;
  expect(await refusal()).toMatch(/Ask in fewer words\.$/);
});

test("The ranked rows as a query join any table", async () => {
  const query = await search.query(question, { source: "tickets", limit: 2 });
  const { rows } = await on.client.query(
    `select t.body, r.place from (${query.sql}) r join public.tickets t using (id) order by r.place`,
    [...query.parameters],
  );
  expect(rows).toHaveLength(2);
  expect(rows[0]).toEqual({ body: question, place: 1 });
});

test("Searches run over the application's own pool or Kysely instance, and leave its sessions as they were", async () => {
  const pool = new pg.Pool({ connectionString: on.database.url, max: 1 });
  onTestFinished(() => pool.end());
  const db = new Kysely<never>({ dialect: new PostgresDialect({ pool }) });
  await pool.query("set search_path = public, pg_temp");
  for (const connection of [{ pool }, { db }]) {
    const over = createSearch({ config: settings(), ...connection });
    expect(
      keys(await over.search(question, { source: "tickets", limit: 1, where: { tenant: "b" } })),
    ).toEqual(["2"]);
    await over.close();
    expect((await pool.query("show search_path")).rows).toEqual([{ search_path: "public, pg_temp" }]);
  }
});

test("A change of the source is seen by the next search: never another model's vectors", async () => {
  await search.search(question, { source: "tickets" });
  await on.client.query(`
    alter table public.tickets rename column embedding to old_embedding;
    alter table public.tickets add column embedding vector(8);
    update autoembed.embedding_source set paused = paused where name = 'tickets'`);
  expect(await search.search(question, { source: "tickets" })).toMatchObject({
    hits: [],
    notice: "tickets has no embedded rows yet.",
  });
});

test("A database that is not migrated says what to run", async () => {
  const plain = await openUnmigratedDatabase();
  onTestFinished(() => plain.close());
  const other = createSearch({ config: { ...settings(), DATABASE_URL: plain.url } });
  onTestFinished(() => other.close());
  await expect(other.search(question)).rejects.toThrow(/has not been migrated/);
});
