import type pg from "pg";
import { expect, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

const VECTOR = `embedding vector(${DIMENSIONS})`;

describeNative("A collation under which different texts are equal fails no write", "needs ICU", () => {
  test.each([
    ["a column", "body"],
    ["an expression", "title || body"],
  ])("A collation without case fails no write and hides no change of %s", async (_what, text) => {
    const { client, listen } = await prepareTable(`
      create collation if not exists app.caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create table app.t (code text collate app.caseless primary key, title text collate "C" default '',
        body text collate app.caseless, ${VECTOR})`);
    await client.query("select autoembed.watch('app.t', $1)", [text]);
    const listener = await listen();
    await client.query("insert into app.t (code, body) values ('a', 'Asthma'), ('b', '  '), ('c', '\u3000')");
    await client.query("insert into app.t (code, body) select 'd', repeat('long ', 250000)");
    await client.query("delete from app.t where code = 'd'");
    await listener.whenDrained();
    expect(await keysWithVectors(client, text)).toEqual(["a"]);

    await client.query("update app.t set body = 'ASTHMA' where code = 'a'");
    await client.query("update app.t set code = 'A' where code = 'a'");
    await listener.whenDrained();
    expect(await keysWithVectors(client, text)).toEqual(["A"]);
  });
});

test("A deferrable key may occur twice until the transaction ends, and the rows that remain are embedded", async () => {
  const { client, listen } = await prepareTable(`create table app.t
    (code int not null unique deferrable initially deferred, body text, ${VECTOR})`);
  await client.query("select autoembed.watch('app.t', 'body', key_columns => array['code'])");
  const listener = await listen();
  await client.query("begin; insert into app.t values (1, 'one'), (1, 'other one'), (2, 'two')");
  await client.query("insert into app.t values (2, 'other two')");
  await client.query("delete from app.t where body not like 'other%'; commit");
  await client.query("update app.t set code = 3 - code");
  await listener.whenDrained();
  expect(await keysWithVectors(client, "body")).toEqual(["1", "2"]);
});

test.each([
  "$f$",
  "$$",
  "$install$",
  "'; drop table app.t; --",
  "\\'",
  "%s %1$I",
  "new_key",
  "found",
  "tg_op",
  "t",
  "n",
])("A table whose names contain %s is watched and embedded as any other", async (odd) => {
  const { client, listen } = await prepareTable("select 1");
  const name = (part: string) => client.escapeIdentifier(part + odd);
  const plain = client.escapeIdentifier(odd);
  await client.query(`create table app.${name("table ")}
      (${name("key ")} int not null unique, ${plain} text, id int generated always as identity primary key, ${VECTOR})`);
  const text = `${plain} || ${client.escapeLiteral(odd)}`;
  for (const [source, watched] of [
    ["column", odd],
    ["expression", text],
  ]) {
    await client.query(
      "select autoembed.watch($1::regclass, $2, key_columns => array[$3], source_name => $4)",
      [`app.${name("table ")}`, watched, `key ${odd}`, source],
    );
    const listener = await listen();
    await client.query(
      `insert into app.${name("table ")} (${name("key ")}, ${plain}) values (10, 'ten'), (20, 'twenty')`,
    );
    await client.query(`update app.${name("table ")} set ${plain} = 'thirty' where ${name("key ")} = 20`);
    await client.query(`delete from app.${name("table ")} where ${name("key ")} = 10`);
    await listener.whenDrained();
    const { rows } = await client.query<{ key: number; text: string; vector: string | null }>(
      `select ${name("key ")} as key, (${source === "column" ? plain : text}) as text, embedding::text as vector from app.${name("table ")}`,
    );
    expect(rows.map((row) => [row.key, isRight(row)])).toEqual([[20, true]]);
    await listener.stop();
    await client.query("select autoembed.unwatch($1)", [source]);
    await client.query(`delete from app.${name("table ")}`);
  }
});

async function prepareTable(create: string) {
  const around = await prepare();
  await around.client.query("drop schema if exists app cascade; create schema app");
  await around.client.query(create);
  return around;
}

async function keysWithVectors(client: pg.Client, text: string): Promise<string[]> {
  const { rows } = await client.query<{ key: string; text: string; vector: string | null }>(
    `select code::text as key, ${text} as text, embedding::text as vector from app.t where embedding is not null order by code`,
  );
  for (const row of rows) expect(isRight(row)).toBe(true);
  return rows.map(({ key }) => key);
}

function isRight({ text, vector }: { readonly text: string; readonly vector: string | null }): boolean {
  const actual = vector === null ? null : Float32Array.from(JSON.parse(vector) as number[]);
  return String(actual) === String(oracleVector(text, DIMENSIONS));
}
