import type pg from "pg";
import { expect, test } from "vitest";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

const OWN = `'[${Array.from({ length: DIMENSIONS }, () => 1).join(",")}]'`;

test.each([
  ["a column", "what"],
  ["an expression", "upper(what) || 10 / length(what)"],
])(
  "A row that comes into a partitioned table with its own vector is taken as embedded, where the text is %s",
  async (_which, text) => {
    const { client, provider, listen } = await prepareVisits(text);
    await client.query(`insert into app.visits values
      (1, '2025-01-05', 'one', ${OWN}), (2, '2025-02-05', 'two', null), (3, '2025-01-06', '', null),
      (4, '2025-01-07', ' ', ${OWN})`);
    // Straight into a partition, and a text for which the expression raises an error.
    await client.query(`insert into app.visits_1 values (5, '2025-01-08', 'five', ${OWN})`);
    await client.query(`insert into app.visits values (6, '2025-01-08', '', ${OWN})`);
    expect(await pending(client)).toEqual(text === "what" ? ["2", "4", "6"] : ["2", "3", "6"]);
    await client.query("delete from app.visits where what in ('', ' ')");
    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));
    const sent = provider.requests.flatMap(({ texts }) => texts);
    expect(sent.filter((one) => /two/i.test(one))).toHaveLength(1);
    expect(sent.filter((one) => /one|five/i.test(one))).toEqual([]);
  },
);

test("A row that an update moves to another partition with a new text is embedded again, although it brings its old vector", async () => {
  const { client, listen } = await prepareVisits("what");
  const listener = await listen();
  await client.query("insert into app.visits values (1, '2025-01-05', 'one'), (2, '2025-01-05', 'two')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await client.query("update app.visits set at = at + 31, what = what || ' moved'");
  // Written with ISO dates by one session and German ones by another, and where the table has another name meanwhile.
  await client.query("alter table app.visits rename to encounters; set datestyle = 'German, DMY'");
  await client.query("update app.encounters set at = at - 31, what = what || ' back' where id = 2");
  await client.query("reset datestyle; alter table app.encounters rename to visits");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  const { rows } = await client.query<{ what: string; embedding: string }>(
    "select what, embedding::text from app.visits order by id",
  );
  expect(rows.map(({ what }) => what)).toEqual(["one moved", "two moved back"]);
  for (const { what, embedding } of rows)
    expect(String(Float32Array.from(JSON.parse(embedding) as number[]))).toBe(
      String(oracleVector(what, DIMENSIONS)),
    );
});

test("Rows that come in with their own vectors, after others were deleted by the same function, are taken as embedded but for the first", async () => {
  const { client } = await prepareVisits("what");
  await client.query(
    `insert into app.visits select n, '2025-01-05', 'former', ${OWN} from generate_series(1, 20) n`,
  );
  await client.query(`do $do$ begin
    delete from app.visits;
    insert into app.visits select n, '2025-02-05', 'from elsewhere', ${OWN} from generate_series(101, 120) n;
  end $do$`);
  // It looks like a row that an update has moved.
  expect(await pending(client)).toEqual(["101"]);
});

test("Rows that are moved to another watched table with their vectors are taken as embedded", async () => {
  const { client } = await prepareVisits("what");
  await client.query(`create table app.archive (like app.visits including all) partition by range (at);
    create table app.archive_1 partition of app.archive default;
    select autoembed.watch('app.archive', 'what');
    insert into app.visits select n, '2025-01-05', 'one', ${OWN} from generate_series(1, 20) n;
    with gone as (delete from app.visits returning *) insert into app.archive select * from gone`);
  expect(await pending(client)).toEqual([]);
});

test("Rows that an update moves are queued for each source of their table, whatever a trigger of the user's own inserts in between", async () => {
  const { client } = await prepareVisits("what");
  await client.query(`alter table app.visits add other vector(${DIMENSIONS});
    select autoembed.watch('app.visits', 'what', vector_column => 'other', source_name => 'other');
    create function app.note() returns trigger language plpgsql as $f$ begin
      delete from app.visits where id = old.id + 1000;
      insert into app.visits values (old.id + 100, '2025-01-06', 'note', ${OWN}, ${OWN});
      return null;
    end $f$;
    create trigger zz after delete on app.visits for each row when (old.id < 100) execute function app.note();
    insert into app.visits select n, '2025-01-05', 'one', ${OWN}, ${OWN} from generate_series(1, 3) n;
    insert into app.visits select n, '2025-01-05', 'two', ${OWN}, ${OWN} from generate_series(1001, 1003) n`);
  expect(await pending(client)).toEqual([]);
  await client.query("update app.visits set at = at + 31, what = 'moved' where id < 100");
  const queued = await pending(client);
  for (const id of ["1", "2", "3"]) expect(queued.filter((one) => one === id)).toHaveLength(2);
});

async function prepareVisits(text: string) {
  const around = await prepare();
  await around.client.query(`drop schema if exists app cascade; create schema app;
    create table app.visits (id int, at date, what text, embedding vector(${DIMENSIONS}), primary key (id, at))
      partition by range (at);
    create table app.visits_1 partition of app.visits for values from ('2025-01-01') to ('2025-02-01');
    create table app.visits_2 partition of app.visits for values from ('2025-02-01') to ('2025-03-01')`);
  await around.client.query("select autoembed.watch('app.visits', $1)", [text]);
  return around;
}

/** The first part of the key, per pending row. */
async function pending(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    "select key::jsonb ->> 0 as id from autoembed.embedding_queue order by 1",
  );
  return rows.map(({ id }) => id);
}
