import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

const VECTOR = `embedding vector(${DIMENSIONS})`;
/** Random bytes, which no index can compress. */
const LONG = "(select string_agg(decode(md5(n::text), 'hex'), '') from generate_series(1, 90) n)";

const TABLES = {
  "an ordinary table": `create table app.t (code bytea primary key, body text, ${VECTOR})`,
  "a partitioned table": `create table app.t (code bytea primary key, body text, ${VECTOR}) partition by hash (code);
    create table app.t_1 partition of app.t for values with (modulus 1, remainder 0)`,
} as const;

test.each(Object.entries(TABLES))(
  "A key too long for the queue fails no write to %s, is warned of, and keeps no other row from its vector",
  async (_what, create) => {
    const { client, provider, environment, listen } = await prepareTable(create);
    const warnings = warningsOf(client);
    await client.query(`insert into app.t values (${LONG}, 'long')`);
    await client.query(
      `insert into app.t select case when n = 7 then ${LONG} || 'x' else int8send(n) end, 'text ' || n from generate_series(1, 70) n`,
    );
    expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(69);
    expect(warnings.length).toBeGreaterThanOrEqual(2);
    expect(new Set(warnings).size).toBe(1);
    expect(warnings[0]).toMatch(/a key of app\.t.* is longer than 2600 bytes/);
    await client.query("update app.t set body = 'changed' where octet_length(code) > 100");

    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await without(client)).toBe(2);
    // The key becomes a long one, and a short one again.
    await client.query(`update app.t set code = ${LONG} || 'y' where code = int8send(1)`);
    await listener.whenDrained(AbortSignal.timeout(30_000));
    await client.query(`update app.t set code = int8send(1), body = 'back' where code = ${LONG} || 'y'`);
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await without(client)).toBe(2);
    await client.query(
      "delete from app.t where octet_length(code) > 100 and body = 'changed' and code = " + LONG,
    );

    const sent = provider.requests.length;
    const backfill = runCommand(["backfill", "--source", "t"], environment);
    expect(await backfill.exited, backfill.stderr()).toBe(0);
    expect(await without(client)).toBe(1);
    const texts = provider.requests.slice(sent).flatMap((request) => request.texts);
    expect(texts).not.toContain("changed");
    await client.query("delete from app.t");
  },
);

test("Rows whose key is too long are counted by status, which --check does not fail for: no backfill embeds them", async () => {
  const { client, environment, listen } = await prepareTable(TABLES["an ordinary table"]);
  const listener = await listen();
  await client.query(`insert into app.t values (${LONG}, 'long'), ('short', 'short')`);
  await listener.whenDrained(AbortSignal.timeout(30_000));
  const status = runCommand(["status", "--check"], environment);
  expect(await status.exited, status.stdout() + status.stderr()).toBe(0);
  const json = runCommand(["status", "--json"], environment);
  await json.exited;
  const { sources } = JSON.parse(json.stdout()) as { sources: { name: string }[] };
  expect(sources.find(({ name }) => name === "t")).toMatchObject({ rows: 2, not_queued: 0, key_too_long: 1 });
  const text = runCommand(["status"], environment);
  await text.exited;
  expect(text.stdout()).toContain("t: 1 row has a key of more than 2600 bytes");
});

test("A long key that fits is embedded as any other", async () => {
  const { client, listen } = await prepareTable(TABLES["an ordinary table"]);
  await client.query(
    "insert into app.t select substr((select string_agg(decode(md5(n::text), 'hex'), '') from generate_series(1, 90) n), 1, 1290), 'fits'",
  );
  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await without(client)).toBe(0);
});

test("A key too long for the queue fails no write while a column has another name than before", async () => {
  const { client } = await prepareTable(TABLES["an ordinary table"]);
  await client.query("alter table app.t rename body to content");
  await client.query(`insert into app.t values (${LONG}, 'long'), ('short', 'short')`);
  await client.query("update app.t set content = 'changed'");
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(1);
});

describeNative(
  "A client whose encoding has not the characters of a table's name",
  "needs a session of its own",
  () => {
    test("is failed no write by a warning, of a key too long or of a change that cannot be queued", async () => {
      const { client, database } = await prepare();
      await client.query(`drop schema if exists app cascade; create schema app;
      create table app."日記 Größe" (code text primary key, body text, ${VECTOR});
      select autoembed.watch('app."日記 Größe"', 'body', source_name => 't');
      create view app.diary as select code, body from app."日記 Größe"`);
      const writer = new pg.Client(database.url);
      await writer.connect();
      onTestFinished(() => writer.end());
      const warnings = warningsOf(writer);
      await writer.query("set client_encoding = 'LATIN1'");
      await writer.query("insert into app.diary values ('short', 'one')");
      await writer.query("update app.diary set code = repeat(md5('a'), 100)");
      expect(warnings).toEqual([
        expect.stringContaining('a key of app."?? Gr??e" is longer than 2600 bytes'),
      ]);
      await client.query(
        "drop index autoembed.embedding_queue_pending; alter table autoembed.embedding_queue drop constraint embedding_queue_pkey",
      );
      onTestFinished(async () => {
        await client.query("truncate autoembed.embedding_queue; select autoembed.unwatch('t')");
        const { rows } = await client.query<{ definition: string }>(
          "select definition from autoembed.missing_indexes()",
        );
        for (const { definition } of rows) await client.query(definition);
      });
      await writer.query("update app.diary set code = 'short', body = 'two'");
      await writer.query("insert into app.diary values ('other', 'three')");
      expect(warnings.at(-1)).toContain('a change of app."?? Gr??e" was not queued');
    });
  },
);

async function prepareTable(create: string) {
  const around = await prepare();
  await around.client.query(`drop schema if exists app cascade; create schema app; ${create};
    select autoembed.watch('app.t', 'body', source_name => 't')`);
  return around;
}

function warningsOf(client: pg.Client): string[] {
  const warnings: string[] = [];
  client.on("notice", ({ severity, message }) => {
    if (severity === "WARNING") warnings.push(message ?? "");
  });
  return warnings;
}

async function without(client: pg.Client): Promise<number | null> {
  return (await client.query("select from app.t where embedding is null")).rowCount;
}
