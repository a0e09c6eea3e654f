import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { dryRun } from "../../src/backfill/dry-run.ts";
import { beginEmbedding } from "../../src/backfill/begin-work.ts";
import { erase } from "../../src/erase/erase.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import type { Source } from "../../src/sources/source.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

vi.setConfig({ testTimeout: 60_000 });

/** Pages of two languages, embedded by a listener that has stopped. */
async function preparePages() {
  const around = await prepare();
  const { client, database, listen } = around;
  await client.query(`drop table if exists pages; drop type if exists lang; create type lang as enum ('de', 'en');
    create table pages (id int, l lang, body text, embedding vector(${DIMENSIONS}), primary key (id, l));
    select autoembed.watch('pages', 'body');
    insert into pages select n, l, l || ' text ' || n from generate_series(1, 20) n, unnest('{de,en}'::lang[]) l`);
  const listener = await listen();
  await listener.whenDrained();
  await listener.stop();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const source = async (name: string): Promise<Source> => {
    const found = (await loadSources(db)).usable.find((source) => source.name === name);
    if (found === undefined) throw new Error(`${name} is not usable`);
    return found;
  };
  return { ...around, db, source };
}

/** Rows whose keys are of a domain, embedded by the listener `first`. */
async function prepareCoded() {
  const pages = await preparePages();
  await pages.client
    .query(`drop table if exists coded; drop domain if exists code; create domain code as text;
    create table coded (id code primary key, body text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('coded', 'body');
    insert into coded select 'P-' || n, 'coded ' || n from generate_series(1, 10) n`);
  const first = await pages.listen();
  await first.whenDrained();
  return { ...pages, first };
}

/** Bodies whose rows do not have their vector. */
async function wrongTexts({ client }: Pick<Listening, "client">, table: string): Promise<string[]> {
  const { rows } = await client.query<{ body: string; embedding: string | null }>(
    `select body, embedding from ${table} order by body`,
  );
  const isRight = ({ body, embedding }: { body: string; embedding: string | null }): boolean =>
    embedding !== null &&
    String(Float32Array.from(JSON.parse(embedding) as number[])) === String(oracleVector(body, DIMENSIONS));
  return rows.filter((row) => !isRight(row)).map(({ body }) => body);
}

/** Whether texts were sent since the provider had so many requests: the listener's probe is none. */
function hasTexts({ requests }: Listening["provider"], before: number): boolean {
  return requests.slice(before).some(({ texts }) => texts.some((text) => text.startsWith("de")));
}

async function counted({ client }: Pick<Listening, "client">, condition: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(`select count(*)::int from ${condition}`);
  return rows[0]?.count ?? NaN;
}

test("Changes that wait under a key whose enum label was renamed are embedded, and keep no other change of the source waiting", async () => {
  const pages = await preparePages();
  const { client, listen, provider } = pages;
  await client.query(`update pages set body = body || '!' where id = 3;
    alter type lang rename value 'de' to 'de-DE';
    update pages set body = body || '?' where id = 7`);
  const before = provider.requests.length;
  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await expect.poll(() => wrongTexts(pages, "pages"), { timeout: 30_000 }).toEqual([]);
  expect(await counted(pages, "autoembed.embedding_queue")).toBe(0);
  expect(await counted(pages, `autoembed.embedding_ledger where key like '%"de"%'`)).toBe(0);
  await expect.poll(() => counted(pages, "autoembed.embedding_backfill"), { timeout: 30_000 }).toBe(0);
  // Only the rows of the renamed label are paid for again, and what was changed of the others.
  const sent = provider.requests.slice(before).flatMap(({ texts }) => texts);
  expect(sent.filter((text) => text.startsWith("en")).sort()).toEqual(["en text 3!", "en text 7?"]);
  expect(sent.filter((text) => text.startsWith("de"))).toHaveLength(20);
});

test("A row whose text was embedded under a key of a former type is embedded, and does not fail", async () => {
  const pages = await preparePages();
  const { client, listen } = pages;
  await client.query(`alter table pages drop constraint pages_pkey, drop column l, add l uuid not null default gen_random_uuid(),
      add primary key (id, l);
    insert into pages (id, body) values (100, 'de text 1'), (101, 'en text 4')`);
  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongTexts(pages, "pages")).toEqual([]);
  expect(await counted(pages, "autoembed.embedding_queue")).toBe(0);
});

test("A dry run says what to run, and a backfill of a source ends whose key's domain was tightened, and nothing is kept under keys that it refuses", async () => {
  const { client, db, environment, source, first, ...pages } = await prepareCoded();
  await client.query(`update coded set body = 'other 1' where id = 'P-1'`);
  await first.whenDrained();
  await first.stop();
  expect(await counted({ client }, "autoembed.embedding_cache where key = 'P-1'")).toBe(1);
  await client.query(`alter table coded disable trigger user;
    update coded set id = replace(id, 'P-', 'Q-');
    alter domain code add check (value like 'Q-%');
    alter table coded enable trigger user; insert into coded values ('Q-11', 'coded 3')`);
  const config = readConfig(environment);
  const signal = AbortSignal.timeout(30_000);
  const coded = await source("coded");
  const counting = (): Promise<unknown> => dryRun(db, config, coded, { all: false, sample: null, signal });
  await expect(counting()).rejects.toThrow(/under keys that the type of its key no longer accepts/);
  expect(await counted({ client }, "autoembed.embedding_ledger where key like 'P-%'")).toBe(10);
  await beginEmbedding(db, coded, { isAll: false });
  expect(await counted({ client }, "autoembed.embedding_ledger where key like 'P-%'")).toBe(0);
  expect(await counted({ client }, "autoembed.embedding_cache where key like 'P-%'")).toBe(0);
  expect(await counting()).toMatchObject({ rows: 1 });
  const listener = await pages.listen();
  await listener.whenDrained(signal);
  await expect.poll(() => wrongTexts({ client }, "coded"), { timeout: 30_000 }).toEqual([]);
});

test("Nothing is forgotten where rows have keys that their domain refuses: the source stops", async () => {
  const { client, db, source, first } = await prepareCoded();
  await first.stop();
  await client.query("alter domain code add check (value like 'Q-%') not valid");
  await expect(beginEmbedding(db, await source("coded"), { isAll: false })).rejects.toThrow(/violates check/);
  expect(await counted({ client }, "autoembed.embedding_ledger where key like 'P-%'")).toBe(10);
  expect(await wrongTexts({ client }, "coded")).toEqual([]);
});

test("Where the type of a key is altered while the provider has the texts, the source goes on", async () => {
  const pages = await preparePages();
  const { client, listen, provider } = pages;
  await client.query("update pages set body = body || '!'");
  provider.latencyMs = 1_500;
  const before = provider.requests.length;
  await listen();
  await expect.poll(() => hasTexts(provider, before)).toBe(true);
  await client.query("alter type lang rename value 'de' to 'de-DE'");
  provider.latencyMs = 0;
  await expect.poll(() => wrongTexts(pages, "pages"), { timeout: 30_000 }).toEqual([]);
  await expect.poll(() => counted(pages, "autoembed.embedding_queue"), { timeout: 30_000 }).toBe(0);
});

test("Where the type of a key is altered while a page is read, the backfill ends", async () => {
  const pages = await preparePages();
  const { client, db, listen, provider, source } = pages;
  await client.query(`alter table pages disable trigger user;
    insert into pages (id, l, body) select n, l, l || ' more ' || n from generate_series(21, 900) n, unnest('{de,en}'::lang[]) l;
    alter table pages enable trigger user`);
  provider.latencyMs = 500;
  const before = provider.requests.length;
  await beginEmbedding(db, await source("pages"), { isAll: false });
  await listen();
  await expect.poll(() => hasTexts(provider, before)).toBe(true);
  await client.query(
    "update pages set body = body || '!' where id = 3; alter type lang rename value 'de' to 'de-DE'",
  );
  provider.latencyMs = 0;
  await expect.poll(() => counted(pages, "autoembed.embedding_backfill"), { timeout: 30_000 }).toBe(0);
  await expect.poll(() => wrongTexts(pages, "pages"), { timeout: 30_000 }).toEqual([]);
});

test("A backfill that stopped at a key which its type no longer accepts begins at the start of its table", async () => {
  const pages = await preparePages();
  const { client, db, listen, source } = pages;
  await client.query("update pages set embedding = null; delete from autoembed.embedding_ledger");
  const { id } = await source("pages");
  await beginEmbedding(db, await source("pages"), { isAll: false });
  await client.query(
    `update autoembed.embedding_backfill set position = '{5,de}' where source_id = ${id};
    insert into autoembed.embedding_page (source_id, after, upto) values (${id}, '{2,de}', '{5,de}');
    alter type lang rename value 'de' to 'de-DE'`,
  );
  await listen();
  await expect.poll(() => wrongTexts(pages, "pages"), { timeout: 30_000 }).toEqual([]);
  await expect.poll(() => counted(pages, "autoembed.embedding_backfill"), { timeout: 30_000 }).toBe(0);
});

test("Erasing a row by the key that it had before its type was altered removes what is kept under it", async () => {
  const pages = await preparePages();
  const { client, db } = pages;
  await client.query(`alter table pages disable trigger user; delete from pages where l = 'de';
    alter table pages enable trigger user; alter type lang rename value 'de' to 'de-DE'`);
  const options = { source: "pages", keys: ['["1", "de"]'], keepsText: false, isDryRun: false };
  await expect(erase(db, options)).rejects.toThrow(/is no key of pages/);
  expect(await counted(pages, `autoembed.embedding_ledger where key like '%"de"%'`)).toBe(0);
  expect(await counted(pages, "autoembed.embedding_ledger")).toBe(20);
});
