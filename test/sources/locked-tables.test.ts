import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

/** `indexed` has an index on a function of its own, `titled` a text that is one, `plain` neither. */
async function prepareTables() {
  const { client, database, listen } = await prepare();
  await client.query(`drop schema if exists app cascade; create schema app;
    create function app.title(body text) returns text immutable language plpgsql as $$ begin return 'A ' || body; end $$;
    create table app.indexed (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
    create table app.titled (like app.indexed including all);
    create table app.plain (like app.indexed including all);
    create index on app.indexed (app.title(body));
    select autoembed.watch('app.indexed', 'body', source_name => 'indexed'),
      autoembed.watch('app.titled', 'app.title(body)', source_name => 'titled'),
      autoembed.watch('app.plain', 'body', source_name => 'plain');
    insert into app.plain values (1, 'one'); insert into app.titled values (1, 'one')`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  return { client, url: database.url, db, listen };
}

describeNative("A table that is locked", "needs several sessions", () => {
  test("keeps no other source from being read, counted and embedded", async () => {
    const { client, url, db, listen } = await prepareTables();
    const before = await loadSources(db);
    const altering = new pg.Client(url);
    await altering.connect();
    onTestFinished(() => altering.end());
    await altering.query("begin; lock table app.indexed, app.titled in access exclusive mode");
    expect(await loadSources(db)).toEqual(before);
    expect(before.broken).toEqual([]);
    const { sources } = await collectStatus(db);
    const problems = new Map(sources.map(({ name, problem }) => [name, problem]));
    expect(problems.get("plain")).toBeNull();
    for (const name of ["indexed", "titled"])
      expect(problems.get(name)).toContain(
        `app.${name} cannot be counted: the database answered SQLSTATE 55P03`,
      );
    const listener = await listen();
    const embedded = async (table: string) =>
      (await client.query(`select from app.${table} where embedding is not null`)).rowCount;
    await expect.poll(() => embedded("plain")).toBe(1);
    await altering.query("rollback");
    await listener.whenDrained(AbortSignal.timeout(60_000));
    expect(await embedded("titled")).toBe(1);
  });

  test("`status` counts the others where a function of a text's own fails", async () => {
    const { client, db } = await prepareTables();
    await client.query(`create or replace function app.title(body text) returns text immutable language plpgsql as
      $$ begin return app.dropped(body); end $$`);
    const { sources } = await collectStatus(db);
    const found = new Map(sources.map((source) => [source.name, source]));
    expect(found.get("plain")).toMatchObject({ rows: 1, problem: null });
    expect(found.get("titled")?.problem).toContain("cannot be counted: the database answered SQLSTATE 42883");
  });
});
