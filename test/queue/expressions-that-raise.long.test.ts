import { describe, expect, test } from "vitest";
import { beginBackfills } from "../support/begin-backfills.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import type { Listener } from "../../src/listener/listener.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { grant, nameIn, role } from "../support/roles.ts";

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

describe("Whatever a text expression raises for a row is told from what concerns its source", () => {
  test("A row fails alone, whichever SQLSTATE its text raises, and the others get their vectors", async () => {
    const { client, listen } = await prepareNotes();
    const codes = ["PT422", "55000", "45000", "42501", "XX000", "54000", "P0004", "0A000"];
    const listener = await listen();
    await client.query(
      `insert into notes (id, label) select n, code from unnest($1::text[]) with ordinality as c(code, n)`,
      [codes.map((code) => `raise ${code}`)],
    );
    // A function of one SELECT becomes part of the statement: its errors say nothing of it.
    await client.query(
      "insert into notes values (100, 'unlinked', 'patient_embeddings'::regclass::oid), (101, 'b', null), (102, 'c', null)",
    );
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await failures(client)).toEqual([
      ...codes.map((code, i) => ({ key: String(i + 1), last_error: reason(code) })),
      { key: "100", last_error: reason("42704") },
    ]);
    const { rows } = await client.query("select id from notes where embedding is not null order by id");
    expect(rows).toEqual([{ id: 101 }, { id: 102 }]);
  });

  test.each(["08006", "40001", "53200", "55P03", "58030", "42883", "42P01"])(
    "A text that raises %s, for which no row is at fault, fails no row, and is embedded when that is over",
    async (code) => {
      const { client, listen } = await prepareNotes();
      const listener = await listen();
      const problem = nextProblem(listener);
      await client.query(
        "insert into notes values (1, 'raise 22012'), (2, 'raise ' || $1), (3, 'raise 22012')",
        [code],
      );
      expect(await problem).toContain(code);
      expect(await failures(client)).toEqual([]);
      await client.query(
        "create or replace function told(label text) returns text language sql stable as 'select label'",
      );
      await listener.whenDrained(AbortSignal.timeout(30_000));
      const { rows } = await client.query("select id from notes where embedding is not null order by id");
      expect(rows).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    },
  );

  test.each([
    [
      "a function of which was renamed",
      "alter function told(text) rename to was_told",
      "alter function was_told(text) rename to told",
    ],
    [
      "of which a column was renamed",
      "alter table notes rename label to was",
      "alter table notes rename was to label",
    ],
  ])("A text %s fails no row, also next to a row whose text raises", async (_what, breaking, mending) => {
    const { client, listen } = await prepareNotes();
    await client.query("insert into notes values (1, 'raise 22012'), (2, 'b')");
    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));
    const problem = nextProblem(listener);
    await client.query(
      "update notes set label = label || ''; update autoembed.embedding_queue set failed_at = null",
    );
    await client.query(`begin; ${breaking}; insert into notes (id) values (3); commit`);
    expect(await problem).toMatch(/42883|42703|renamed/);
    expect(await failures(client)).toEqual([]);
    await client.query(mending);
    await client.query("update notes set label = 'c' where id = 3");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect((await failures(client)).map(({ key }) => key)).toEqual(["1"]);
  });
});

describeNative("A right that a text needs", "needs roles of its own", () => {
  test.each([
    ["the function of a text", "execute on function told(text)", "told(text) from public"],
    ["its table", "select on notes", undefined],
  ])(
    "A listener that lost its right to %s fails no row, and goes on once it has it",
    async (_what, right, also) => {
      const { client, database, listen } = await prepareNotes();
      const url = await role(client, database.url, "listener");
      const name = nameIn(url);
      await grant(client, name);
      await client.query(`grant execute on function told(text) to ${name};
      grant select, update (embedding) on notes to ${name}`);
      if (also !== undefined) await client.query(`revoke execute on function ${also}`);
      const listener = await listen({ DATABASE_URL: url });
      const problem = nextProblem(listener);
      await client.query(
        `begin; revoke ${right} from ${name}; insert into notes values (1, 'raise 22012'), (2, 'b'); commit`,
      );
      // By the claim, or by whoever looks at the source first.
      expect(await problem).toMatch(/42501|may not (read|compute)/);
      expect(await failures(client)).toEqual([]);
      await client.query(`grant ${right} to ${name}`);
      await listener.whenDrained(AbortSignal.timeout(30_000));
      expect((await failures(client)).map(({ key }) => key)).toEqual(["1"]);
    },
  );
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

async function prepareNotes(): Promise<Listening> {
  const around = await prepare();
  await around.client
    .query(`drop table if exists notes cascade; drop function if exists told, was_told, content_of cascade;
    create table notes (id int primary key, label text, body_oid oid, embedding vector(${DIMENSIONS}));
    create function told(label text) returns text language plpgsql stable as $$
    begin
      if label like 'raise %' then
        raise exception 'no' using errcode = substr(label, 7);
      end if;
      return label;
    end $$;
    create function content_of(o oid) returns text language sql stable as
      $$ select convert_from(lo_get(o), 'UTF8') $$`);
  await around.client.query("select autoembed.watch('notes', $1)", [
    "public.told(label) || coalesce(public.content_of(body_oid), '')",
  ]);
  return around;
}

function nextProblem(listener: Listener): Promise<string> {
  return new Promise((resolve) => {
    listener.events.once("source_failing", ({ problem }) => {
      resolve(problem);
    });
  });
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
