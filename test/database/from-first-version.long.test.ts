import { fileURLToPath } from "node:url";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { migrate } from "../../src/migrate.ts";
import { runCommand } from "../support/command.ts";
import { graphileMigrate } from "../support/graphile-migrate.ts";
import { oracleVector, startProviderServer } from "../support/provider-server.ts";
import { wrongRows } from "../support/listening.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

const FIRST_VERSION = fileURLToPath(new URL("first-version", import.meta.url));
const DIMENSIONS = 8;
const vectorOf = (text: string): string => `[${oracleVector(text, DIMENSIONS).join(",")}]`;

/** A database as version 0.1 left it: five sources, rows that are embedded, pending and failed, and a cache. */
async function firstVersion(): Promise<{ url: string; client: pg.Client }> {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  await graphileMigrate(database.url, FIRST_VERSION, { ":EMBEDDING_DIM": String(DIMENSIONS) });
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`
    create schema app;
    create table app.articles (id uuid primary key, title text, body text, embedding vector(${DIMENSIONS}));
    create table app.events (id bigint, region text, body text, embedding vector(${DIMENSIONS}), primary key (region, id))
      partition by list (region);
    create table app.events_north partition of app.events for values in ('north');
    create table app.letters (id bigint primary key, body varchar);
    create table app.letters_embeddings (
      id bigint primary key references app.letters on delete cascade on update cascade, embedding vector(${DIMENSIONS}));
    create table app.books (id bigint primary key, body text);
    create table app.books_passages (id bigint not null references app.books on delete cascade on update cascade,
      passage_id bigint generated always as identity primary key, chunk int not null, start_char int not null,
      end_char int not null, passage text not null, embedding vector(${DIMENSIONS}));
    select embed_watch('app.articles', $$title || ' ' || coalesce(body, '')$$, settings => '{"batch_size": 7}');
    select embed_watch('app.events', 'body', source_name => 'happenings', backend => 'llm_api', model => 'm', dimensions => ${DIMENSIONS});
    select embed_watch('app.letters', 'body', vector_table => 'app.letters_embeddings');
    select embed_watch('app.books', 'body', vector_table => 'app.books_passages',
      passages => '{"chunk": 200, "overlap": 20, "unit": "characters"}');
    insert into patient_embeddings values (1, 'embedded', '${vectorOf("embedded")}'), (2, 'pending', null), (3, 'cached', null);
    insert into app.letters values (7, 'a letter');
    insert into app.events values (1, 'north', 'an event');
    update embedding_queue set failed_at = now(), attempts = 3, last_error = 'too long' where key = '7';
    insert into embedding_cache (model, text_hash, embedding)
    select 'llm_api/text-embedding-3-small@${DIMENSIONS}', sha256('cached'), '${vectorOf("cached")}';
    insert into embedding_usage (source_id, tokens) values (1, 42);
    insert into embedding_listener (host, pid, version, seen_at) values ('gone', 1, '0.1.0', now() - interval '1 hour')`);
  return { url: database.url, client };
}

const adopt = (databaseUrl: string): Promise<void> =>
  migrate({ databaseUrl, dimensions: DIMENSIONS, adoptsFirstVersion: true });

/** A listener, and a provider that answers with oracle vectors. */
async function listenOn(url: string, settings: Readonly<Record<string, string>> = {}) {
  const provider = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => provider.close());
  const config = readConfig({
    DATABASE_URL: url,
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    OPENAI_BASE_URL: `${provider.url}/v1`,
    OPENAI_API_KEY: "test-key",
    EMBED_LOG_LEVEL: "silent",
    ...settings,
  });
  const listener = createListener({ ...config, DATABASE_URL: url });
  onTestFinished(async () => {
    await listener.stop();
  });
  await listener.start();
  return { listener, provider };
}

describe("A database of version 0.1 is taken over", () => {
  test("`migrate` leaves a database of version 0.1 as it is, and says what to run", async () => {
    const { url, client } = await firstVersion();
    await expect(migrate({ databaseUrl: url, dimensions: DIMENSIONS })).rejects.toMatchObject({
      message: expect.stringContaining("of pg-autoembed 0.1") as string,
      remedy: expect.stringContaining("npm run migrate -- --from-0.1") as string,
    });
    expect((await client.query("select from pg_namespace where nspname = 'autoembed'")).rowCount).toBe(0);
    const start = runCommand(["start"], { DATABASE_URL: url });
    expect(await start.exited).toBe(1);
    expect(start.stderr()).toContain("npm run migrate -- --from-0.1");
  }, 60_000);

  test("A takeover from 0.1 keeps sources, pending and failed rows, cache and usage, and leaves nothing of 0.1", async () => {
    const { url, client } = await firstVersion();
    const sources = `select id, name, watched_table::text, key_columns, text_expression, vector_column,
      vector_table::text, passages, backend, model, dimensions, settings, created_at`;
    const queue = "select source_id, key, queued_at, failed_at, attempts, last_error";
    const before = await client.query(`${sources} from embedding_source order by id`);
    const queued = await client.query(`${queue} from embedding_queue order by ticket`);

    const command = runCommand(["migrate", "--from-0.1"], {
      DATABASE_URL: url,
      EMBEDDING_DIM: String(DIMENSIONS),
    });
    expect(await command.exited, command.stderr()).toBe(0);

    expect((await client.query(`${sources} from autoembed.embedding_source order by id`)).rows).toEqual(
      before.rows,
    );
    expect((await client.query(`${queue} from autoembed.embedding_queue order by ticket`)).rows).toEqual(
      queued.rows,
    );
    expect(queued.rows).toHaveLength(4);
    expect((await client.query("select from autoembed.embedding_cache")).rowCount).toBe(1);
    expect((await client.query("select tokens from autoembed.embedding_usage")).rows).toEqual([
      { tokens: "42" },
    ]);
    expect(
      (
        await client.query(
          "select from autoembed.embedding_source s where autoembed.outdated_triggers(s) <> '{}'",
        )
      ).rowCount,
    ).toBe(0);
    const { rows: left } = await client.query(`
      select relname from pg_class where relnamespace = 'public'::regnamespace and relname ~ '^embedding_'
      union all select proname from pg_proc where pronamespace = 'public'::regnamespace and proname ~ '^embed_'
      union all select tgname from pg_trigger where tgname ~ '^embed_'
      union all select nspname from pg_namespace where nspname = 'graphile_migrate'`);
    expect(left).toEqual([]);
    const { rows: damages } = await client.query(`
      select name from autoembed.changed_tables() union all select name from autoembed.changed_columns()
      union all select name from autoembed.missing_indexes() union all select name from autoembed.missing_constraints()`);
    expect(damages).toEqual([]);

    // The next source has a number of its own.
    await client.query(`create table app.next (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
      select autoembed.watch('app.next', 'body')`);
    await migrate({ databaseUrl: url, dimensions: DIMENSIONS });
  }, 60_000);

  test("A takeover from 0.1 pays for no vector again", async () => {
    const { url, client } = await firstVersion();
    await adopt(url);
    const { listener, provider } = await listenOn(url);
    await client.query("insert into app.articles values (gen_random_uuid(), 'new', 'text')");
    await listener.whenDrained(AbortSignal.timeout(30_000));

    const asked = provider.requests.flatMap(({ texts }) => texts).sort();
    expect(asked.filter((text) => text === "embedded" || text === "cached" || text === "a letter")).toEqual(
      [],
    );
    expect(asked).toEqual(expect.arrayContaining(["an event", "new text", "pending"]));
    expect(await wrongRows(client)).toEqual([]);
  }, 60_000);

  test("The cache of 0.1 serves no row whose text is sent after a prefix now", async () => {
    const { url } = await firstVersion();
    await adopt(url);
    const { listener, provider } = await listenOn(url, { EMBED_DOCUMENT_PREFIX: "note: " });
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(provider.requests.flatMap(({ texts }) => texts)).toContain("note: cached");
  }, 60_000);

  test("The cache of 0.1 has no vector left that a source with a server of its own may have made for others", async () => {
    const { url, client } = await firstVersion();
    await client.query(`
      insert into embedding_cache (model, text_hash, embedding) select name, sha256('poisoned'), '${vectorOf("other")}'
      from unnest('{llm_api/m@8,llm_api/m-2@8,llm_api/org/m@8,ollama/m@8}'::text[]) name;
      update embedding_source set settings = '{"base_url": "http://elsewhere.example/v1"}' where name = 'happenings'`);
    await adopt(url);
    const { rows } = await client.query<{ model: string }>(
      "select model from autoembed.embedding_cache order by model",
    );
    expect(rows.map(({ model }) => model)).toEqual([
      "llm_api/m-2@8",
      "llm_api/org/m@8",
      "llm_api/text-embedding-3-small@8",
      "ollama/m@8",
    ]);
  });

  test("Where a source with a server of its own may have made all of the cache of 0.1, it is emptied at once", async () => {
    const { url, client } = await firstVersion();
    await client.query(
      `update embedding_source set settings = '{"base_url": "http://elsewhere.example/v1"}'`,
    );
    await adopt(url);
    const { rows } = await client.query(
      "select pg_relation_size('autoembed.embedding_cache')::int as size, count(*)::int from autoembed.embedding_cache",
    );
    // Deleted rows would take up room until a vacuum.
    expect(rows).toEqual([{ size: 0, count: 0 }]);
  });

  test("A takeover from 0.1 is refused while a listener of 0.1 is at work, and changes nothing", async () => {
    const { url, client } = await firstVersion();
    await client.query("update embedding_listener set seen_at = now()");
    await expect(adopt(url)).rejects.toMatchObject({
      message: expect.stringContaining("a listener of version 0.1 is running") as string,
      remedy: expect.stringContaining("Stop it") as string,
    });
    expect((await client.query("select from pg_namespace where nspname = 'autoembed'")).rowCount).toBe(0);
    expect((await client.query("select from embedding_queue")).rowCount).toBe(4);
  });

  test("A takeover from 0.1 keeps the history of an application that uses graphile-migrate too", async () => {
    const { url, client } = await firstVersion();
    await client.query(
      "insert into graphile_migrate.migrations (hash, filename) values ('sha1:theirs', '000003.sql')",
    );
    await adopt(url);
    expect((await client.query("select filename from graphile_migrate.migrations")).rows).toEqual([
      { filename: "000003.sql" },
    ]);
  });
});
