import { describe, expect, test } from "vitest";
import { beginBackfills } from "../support/begin-backfills.ts";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

/** A word that the database's own messages would quote. */
const SECRET = "xylophonic";
const EXPRESSION = "label || ' costs ' || (100 / parts) || ' for ' || age::int";

describe("A text expression that raises for one row fails that row alone", () => {
  test("A text expression that raises fails no user's write, and its own row alone, with a reason that quotes nothing", async () => {
    const { client, listen } = await prepareGoods();
    const listener = await listen();
    await client.query(
      `insert into goods values (1, 'a', 2, '40'), (2, 'b', 0, '41'), (3, 'c', 5, '${SECRET}')`,
    );
    await client.query("insert into goods values (4, 'd', 4, '44')");
    await client.query("update goods set label = label || '!' where id in (1, 2)");
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(await vectors(client)).toEqual([1, 4]);
    expect(await failures(client)).toEqual([
      { key: "2", last_error: reason("22012") },
      { key: "3", last_error: reason("22P02") },
    ]);

    await client.query("update goods set parts = 10, age = '50'");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await vectors(client)).toEqual([1, 2, 3, 4]);
    expect(await failures(client)).toEqual([]);
  });

  test("A text expression that raises for some rows keeps neither a backfill nor status from other rows", async () => {
    const { client, database, environment, listen } = await prepareGoods();
    await client.query("alter table goods disable trigger user");
    await client.query(
      "insert into goods select n, 'good ' || n, n % 50, case n when 7 then 'old' else '30' end from generate_series(1, 150) n",
    );
    await client.query("alter table goods enable trigger user");
    await beginBackfills(database.url);
    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect((await vectors(client)).length).toBe(146);
    expect((await failures(client)).map(({ key }) => key)).toEqual(["7", "50", "100", "150"]);
    const status = runCommand(["status", "--json"], environment);
    expect(await status.exited).toBe(0);
    expect(status.stdout()).toContain('"rows":146,"current":146');
  });
});

test("A text expression over a table with a column that cannot be compared fails no update", async () => {
  const { client } = await prepare();
  await client.query(`drop table if exists papers;
    create table papers (id int primary key, body text, extra json, embedding vector(${DIMENSIONS}))`);
  await client.query("select autoembed.watch('papers', 'upper(body)')");
  await client.query(`insert into papers values (1, 'a', '{}')`);
  await client.query("truncate autoembed.embedding_queue");
  await client.query(`update papers set extra = '{"b": 1}'`);
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
  await client.query("update papers set body = 'b'");
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(1);
});

async function prepareGoods(): Promise<Listening> {
  const around = await prepare();
  await around.client.query(`drop table if exists goods;
    create table goods (id int primary key, label text, parts int, age text, embedding vector(${DIMENSIONS}))`);
  await around.client.query("select autoembed.watch('goods', $1)", [EXPRESSION]);
  return around;
}

function reason(code: string): string {
  return `the text expression raises SQLSTATE ${code} for this row: change the row, or the expression`;
}

/** Keys of the rows that have a vector; each must be that of its text. */
async function vectors(client: Listening["client"]): Promise<number[]> {
  const { rows } = await client.query<{ id: number; text: string; vector: string }>(
    `select id, ${EXPRESSION} as text, embedding::text as vector from goods where embedding is not null order by id`,
  );
  for (const { text, vector } of rows) {
    expect(String(Float32Array.from(JSON.parse(vector) as number[]))).toBe(
      String(oracleVector(text, DIMENSIONS)),
    );
  }
  return rows.map(({ id }) => id);
}

async function failures(client: Listening["client"]): Promise<{ key: string; last_error: string }[]> {
  const { rows } = await client.query<{ key: string; last_error: string }>(
    "select key, last_error from autoembed.embedding_queue where failed_at is not null order by key::int",
  );
  return rows;
}
