import pg from "pg";
import { expect, onTestFinished } from "vitest";
import { watch, type ApplicationConfig } from "../../src/application.ts";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { runCommand } from "./command.ts";
import { openTestDatabase } from "./database.ts";
import { DIMENSIONS } from "./listening.ts";
import { startProviderServer } from "./provider-server.ts";

/** A database of its own, with a provider, in which tables are watched and left again. */
export async function prepareLeaving() {
  const database = await openTestDatabase({ dimensions: DIMENSIONS });
  onTestFinished(() => database.close());
  const provider = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => provider.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  const environment = {
    DATABASE_URL: database.url,
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    OPENAI_BASE_URL: provider.openAiUrl,
    OPENAI_API_KEY: "test-key",
    EMBED_POLL_MS: "1000",
    EMBED_LOG_LEVEL: "silent",
  };
  const config: ApplicationConfig = { ...readConfig(environment), DATABASE_URL: database.url };
  /** Embeds what is pending and what a backfill has begun. */
  const drain = async (): Promise<void> => {
    const listener = createListener(config);
    await listener.start();
    await listener.whenDrained();
    await listener.stop();
  };
  const run = async (...args: string[]) => {
    const command = runCommand(args, environment);
    const code = await command.exited;
    return { code, stdout: command.stdout(), stderr: command.stderr() };
  };
  const succeed = async (...args: string[]): Promise<string> => {
    const ended = await run(...args);
    expect(ended).toMatchObject({ code: 0 });
    return ended.stdout;
  };
  return { client, config, provider, environment, drain, run, succeed, url: database.url };
}

export type Leaving = Awaited<ReturnType<typeof prepareLeaving>>;

/** What embeds what in `watchShapes`: vectors by column. */
export const SHAPES = {
  "app.document_chunks.embedding": 1,
  "app.events.embedding": 2,
  "app.letter_vectors.embedding": 1,
  "app.own.mine": 1,
  "app.tickets.embedding": 1,
};

/** Watches a table of each shape, with a text and its vector in each. */
export async function watchShapes({ client, config, drain }: Leaving): Promise<void> {
  await client.query(`create schema app;
    create table app.tickets (id bigint primary key, body text);
    create table app.letters (id bigint primary key, body text);
    create table app.documents (id bigint primary key, body text);
    create table app.own (id bigint primary key, body text, mine vector(${DIMENSIONS}));
    create table app.events (id bigint, day int, body text, primary key (id, day)) partition by range (day);
    create table app.events_1 partition of app.events for values from (0) to (100);
    create table app.events_2 partition of app.events for values from (100) to (200)`);
  await rewatch({ config });
  await watch(config, { table: "app.own", text: "body", vector: "mine" });
  await client.query(`insert into app.tickets values (1, 'a ticket'); insert into app.letters values (1, 'a letter');
    insert into app.documents values (1, 'a document'); insert into app.own values (1, 'of my own');
    insert into app.events values (1, 1, 'the first'), (1, 101, 'the second')`);
  await drain();
}

/** The same sources, but for the one whose column was there before. */
export async function rewatch({ config }: Pick<Leaving, "config">): Promise<void> {
  await watch(config, { table: "app.tickets", text: "body" });
  await watch(config, { table: "app.letters", text: "body", into: "app.letter_vectors" });
  const chunks = { chunk: 50 };
  await watch(config, { table: "app.documents", text: "body", into: "app.document_chunks", chunks });
  await watch(config, { table: "app.events", text: "body" });
}

/** Columns of type vector or halfvec outside of our schema, and how many vectors are in each. */
export async function vectorCounts({ client }: Pick<Leaving, "client">): Promise<Record<string, number>> {
  const { rows } = await client.query<{ table: string; column: string }>(`
    select a.attrelid::regclass::text as table, quote_ident(a.attname) as column
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where format_type(a.atttypid, null) ~ '(^|[.])(vector|halfvec)$' and not a.attisdropped
      and c.relkind in ('r', 'p') and not c.relispartition
      and c.relnamespace::regnamespace::text !~ '^(pg_|autoembed)' order by 1`);
  const counts: Record<string, number> = {};
  for (const { table, column } of rows) {
    const { rows: counted } = await client.query<{ n: number }>(
      `select count(${column})::int as n from ${table}`,
    );
    counts[`${table}.${column}`] = counted[0]?.n ?? 0;
  }
  return counts;
}

/** A user's inserts, updates and deletes in every table: none may fail. */
export async function writeToAll({ client }: Pick<Leaving, "client">, id: number): Promise<void> {
  for (const table of ["tickets", "letters", "documents", "own"]) {
    await client.query(`insert into app.${table} (id, body) values (${id}, 'written')`);
    await client.query(`update app.${table} set body = 'changed' where id = ${id}`);
    await client.query(`delete from app.${table} where id = ${id}`);
  }
  await client.query(`insert into app.events (id, day, body) values (${id}, 5, 'written')`);
  await client.query(`update app.events set body = 'changed', day = 105 where id = ${id}`);
  await client.query(`delete from app.events where id = ${id}`);
}
