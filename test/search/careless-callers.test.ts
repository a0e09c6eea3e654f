import { createRequire } from "node:module";
import pg from "pg";
import { sql } from "kysely";
import type * as OfCommonJs from "kysely" with { "resolution-mode": "require" };
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { UsageError } from "../../src/errors.ts";
import { createSearch, type SearchConnection } from "../../src/search/create-search.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 30_000 });

const SOURCE = "patient_embeddings";

async function prepareSearch() {
  const { database, client, environment, provider } = await prepare();
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const search = createSearch({ config });
  onTestFinished(() => search.close());
  return { database, client, config, search, provider };
}

test("An option of another name is refused: a filter that was missed would find the rows of all", async () => {
  const { search } = await prepareSearch();
  const refused = (options: object) => expect(search.search("x", { source: SOURCE, ...options })).rejects;
  await refused({ wehre: { ward: "w1" } }).toThrow(/no property "wehre"; did you mean where\?/);
  await refused({ filter: { ward: "w1" } }).toMatchObject({
    name: "UsageError",
    message: expect.stringContaining('no property "filter"') as string,
    remedy: expect.stringContaining("where") as string,
  });
  await refused({ rerank: { candidate: 5 } }).toThrow(/rerank has no property "candidate"/);
  await refused({ signal: 500 }).toThrow(/signal is 500/);
  await expect(search.query("x", { source: SOURCE, topK: 5 } as object)).rejects.toThrow(/"topK"/);
  await expect(search.search("x", null as never)).rejects.toThrow(/must be an object/);
});

test("A filter that is undefined is refused, where an empty one finds the rows of all", async () => {
  const { search } = await prepareSearch();
  const tenant: { where?: object } = {};
  await expect(search.search("x", { source: SOURCE, where: tenant.where as never })).rejects.toMatchObject({
    name: "UsageError",
    message: "where is undefined.",
    remedy: "Leave it out, or give {}, to search all rows.",
  });
  await expect(search.query("x", { source: SOURCE, where: undefined as never })).rejects.toThrow(
    "where is undefined.",
  );
  await search.search("x", { source: SOURCE, where: {} });
});

test("What would be left out of a filter in silence is refused", async () => {
  const { search } = await prepareSearch();
  const hidden = Object.defineProperty({}, "patient_id", { value: 1, enumerable: false });
  for (const where of [{ [Symbol("and")]: [] }, hidden, { patient_id: { gt: 1, [Symbol("lt")]: 3 } }])
    await expect(search.search("x", { source: SOURCE, where })).rejects.toThrow(
      /has a symbol, or a property/,
    );
  const misplaced = { like: 1, where: { patient_id: 2 } };
  await expect(search.search(misplaced, { source: SOURCE })).rejects.toThrow(/no property "where"/);
});

test("An object of a class is no value of a filter: pg would bind its JSON, which differs from all that is stored", async () => {
  const { search } = await prepareSearch();
  const values = [new URL("http://localhost/"), new Map(), new Date(NaN), new Set(["asthma"])];
  for (const value of values)
    for (const wanted of [value, { ne: value }, { in: [value] }])
      await expect(search.search("x", { source: SOURCE, where: { context_text: wanted } })).rejects.toThrow(
        /where.context_text.* cannot be compared/,
      );
  const written = { toPostgres: () => "asthma" };
  const custom = Object.setPrototypeOf(written, Map.prototype) as object;
  await search.search("x", { source: SOURCE, where: { context_text: custom } });
});

test("A part of a statement is no value of a filter", async () => {
  const { search } = await prepareSearch();
  for (const value of [() => 1, sql`true`, Symbol("ward"), [() => 1]])
    await expect(
      search.search("x", { source: SOURCE, where: { patient_id: value } }),
      typeof value,
    ).rejects.toThrow(/where.patient_id.* cannot be compared/);
});

test.each([
  [undefined, /must be an object/],
  [{}, /no config/],
  [{ config: readConfig({}) }, /no DATABASE_URL/],
  [{ config: readConfig({}), pool: "postgres://localhost/app" }, /pool is no pool/],
  [{ config: readConfig({}), pool: undefined }, /pool is no pool/],
  [{ config: readConfig({}), db: {} }, /no Kysely/],
  [{ config: readConfig({}), Pool: new pg.Pool() }, /no property "Pool"; did you mean pool\?/],
])("A search over %o is refused with what to give", (connection, message) => {
  const open = () => createSearch(connection as unknown as SearchConnection);
  expect(open).toThrow(UsageError);
  expect(open).toThrow(message);
});

test("A Kysely instance of an application in CommonJS, with its plugins, is taken", async () => {
  const { database, config } = await prepareSearch();
  const { Kysely, PostgresDialect, CamelCasePlugin } = createRequire(import.meta.url)(
    "kysely",
  ) as typeof OfCommonJs;
  const pool = new pg.Pool({ connectionString: database.url });
  const plugins = [new CamelCasePlugin()];
  const db = new Kysely<{ patients: { id: string } }>({ dialect: new PostgresDialect({ pool }), plugins });
  onTestFinished(() => db.destroy());
  const search = createSearch({ config, db });
  expect(await search.search("x", { source: SOURCE, where: { patient_id: 1 } })).toMatchObject({ hits: [] });
  await search.close();
});

test("A search is closed once, however often it is closed, and searches no more", async () => {
  const { search } = await prepareSearch();
  await Promise.all([search.close(), search.close()]);
  await expect(search.search("x", { source: SOURCE })).rejects.toThrow("This search was closed.");
  await expect(search.settled({ source: SOURCE, key: "1" })).rejects.toThrow("This search was closed.");
  await search.close();
});

test("Half of an emoji is not sent, and quotes around nothing are a question without words", async () => {
  const { search, provider } = await prepareSearch();
  const sent = (): string | undefined => provider.requests.at(-1)?.texts[0];
  await search.search("chest pain \ud83d", { source: SOURCE, hybrid: false });
  expect(sent()).toBe("chest pain");
  await search.search("whole \u{1f642}", { source: SOURCE, hybrid: false });
  expect(sent()).toBe("whole \u{1f642}");
  for (const empty of ['""', '-" "', '"" -""'])
    await expect(search.search(empty, { source: SOURCE, hybrid: true })).rejects.toThrow(
      "The question has no words.",
    );
});

test("A search that is closed completes what it was asked before", async () => {
  const { search, provider } = await prepareSearch();
  provider.latencyMs = 500;
  const asked = search.search("asked before", { source: SOURCE, hybrid: false });
  const queried = search.query("queried before", { source: SOURCE });
  await expect.poll(() => provider.requests.length).toBe(2);
  await search.close();
  expect((await asked).rankedBy).toBe("meaning");
  expect((await queried).sql).toContain("select");
});

test("A key that the table cannot have is refused, and not repeated", async () => {
  const { search } = await prepareSearch();
  const error: unknown = await search
    .settled({ source: SOURCE, key: "secret name" })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "UsageError", message: `that is no key of ${SOURCE}.` });
  expect(JSON.stringify([error, String(error), String((error as Error).cause)])).not.toContain("secret");
  await expect(search.settled({ source: SOURCE } as never)).rejects.toThrow(/key is undefined/);
});

test("A signal ends what waits for the database, and for a connection to it", async () => {
  const { database, client, config, provider } = await prepareSearch();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  onTestFinished(() => pool.end());
  const search = createSearch({ config, pool });
  onTestFinished(() => search.close());
  const works = [
    (signal: AbortSignal) => search.search("x", { source: SOURCE, signal }),
    (signal: AbortSignal) => search.query("x", { source: SOURCE, signal }),
    (signal: AbortSignal) => search.settled({ source: SOURCE, key: "1", signal }),
  ];
  const areEnded = async (): Promise<void> => {
    for (const work of works) {
      const stopping = new AbortController();
      const working = work(stopping.signal);
      stopping.abort(new Error("enough"));
      await expect(working).rejects.toThrow("enough");
    }
  };
  const taken = await pool.connect();
  await areEnded();
  taken.release();
  await client.query(`begin; lock table ${SOURCE}, autoembed.embedding_source in access exclusive mode`);
  await areEnded();
  await client.query("rollback");
  expect(provider.requests).toEqual([]);
});
