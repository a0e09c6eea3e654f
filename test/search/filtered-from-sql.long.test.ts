import type pg from "pg";
import { expect, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

const vectorOf = (text: string): string => `[${oracleVector(text, DIMENSIONS).join(",")}]`;

/** Keys that `autoembed.search` finds, nearest first. */
async function found(
  client: pg.Client,
  text: string,
  k: number,
  filter: string | null,
  source = "patient_embeddings",
): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    "select key from autoembed.search($1, $2::vector, $3, $4)",
    [source, vectorOf(text), k, filter],
  );
  return rows.map(({ key }) => key);
}

/** Keys of the nearest rows of patient_embeddings that pass, found without an index. */
async function nearest(client: pg.Client, text: string, k: number, filter: string): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    `select patient_id::text as key from patient_embeddings where embedding is not null and (${filter})
     order by (embedding <=> $1::vector) + 0, patient_id limit $2`,
    [vectorOf(text), k],
  );
  return rows.map(({ key }) => key);
}

async function settingsOf(client: pg.Client): Promise<unknown> {
  const { rows } = await client.query<{ settings: unknown }>("select autoembed.index_settings() as settings");
  return rows[0]?.settings;
}

test("autoembed.search finds the nearest of the rows that pass its filter, and restores the session's settings", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query(
    "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 60) i",
  );
  await listener.whenDrained();
  for (const filter of ["patient_id % 7 = 0", "context_text like '%1%' -- ends in a comment"]) {
    const expected = await nearest(client, "patient 14", 3, filter.replace(/ --.*/, ""));
    expect(await found(client, "patient 14", 3, filter)).toEqual(expected);
  }
  expect(await found(client, "patient 14", 5, "patient_embeddings.patient_id = 9")).toEqual(["9"]);
  expect(await found(client, "patient 14", 5, "false")).toEqual([]);
  expect((await found(client, "patient 14", 1, null))[0]).toBe("14");

  await client.query("begin; set local hnsw.ef_search = 77");
  const before = await settingsOf(client);
  await found(client, "patient 14", 3, "patient_id % 7 = 0");
  expect(await settingsOf(client)).toEqual(before);
  await client.query("commit");
  await expect(found(client, "x", 3, "no_such_column = 1")).rejects.toThrow(
    /"no_such_column" does not exist/,
  );
});

test("Keys are those of the queue whatever the session sets, so that is_current() reads them as the same rows; the filter keeps the session's settings", async () => {
  const { client } = await prepare();
  await client.query(`
    drop table if exists public.days;
    create table public.days (day date, at timestamptz, raw bytea, body text, embedding vector(8), primary key (day, at, raw));
    insert into public.days values ('2024-02-01', '2024-02-01 00:00Z', '\\x00ff', 'one', '${vectorOf("one")}');
    select autoembed.watch('public.days', 'body', source_name => 'days')`);
  await client.query(
    "begin; set local datestyle = 'German, DMY'; set local timezone = 'Asia/Kolkata'; set local bytea_output = 'escape'",
  );
  const [key = ""] = await found(client, "one", 5, "day = '01.02.2024'", "days");
  const { rows } = await client.query<{ current: boolean }>(
    "select autoembed.is_current('days', $1) as current",
    [key],
  );
  await client.query("rollback; drop table public.days");
  expect(JSON.parse(key)).toEqual(["2024-02-01", "2024-02-01 00:00:00+00", "\\x00ff"]);
  expect(rows).toEqual([{ current: true }]);
});

test("No row is near to no vector, and a vector without a direction is passed over", async () => {
  const { client } = await prepare();
  await client.query(
    "insert into patient_embeddings values (1, 'one', $1), (2, 'two', '[0,0,0,0,0,0,0,0]')",
    [vectorOf("one")],
  );
  expect(await found(client, "one", 5, null)).toEqual(["1"]);
  const { rows } = await client.query(
    `select key from autoembed.search('patient_embeddings', (select embedding from patient_embeddings where patient_id = 3), 5)`,
  );
  expect(rows).toEqual([]);
});

test("A k of null is the default", async () => {
  const { client } = await prepare();
  await client.query(
    "insert into patient_embeddings select i, 'patient ' || i, $1 from generate_series(1, 12) i",
    [vectorOf("patient")],
  );
  const { rows } = await client.query(
    "select key from autoembed.search('patient_embeddings', $1::vector, null)",
    [vectorOf("patient")],
  );
  expect(rows).toHaveLength(10);
});

test("The filter of a text in chunks is about the row that has the text", async () => {
  const { client, listen, watch } = await prepareChunkedDocuments();
  await watch();
  const listener = await listen();
  await client.query("insert into app.documents select n, $1 || n from generate_series(1, 6) n", [prose(8)]);
  await listener.whenDrained();
  const keys = await found(client, prose(8), 10, "id in (2, 5)", "app.documents");
  expect(keys.toSorted()).toEqual(["2", "5"]);
});

describeNative(
  "A filtered search uses an index",
  "thousands of vectors and an index take a native server",
  () => {
    test("autoembed.search misses none of the nearest rows, whether few rows pass its filter, or many", async () => {
      const { client } = await prepare();
      const random = Array.from({ length: DIMENSIONS }, () => "random() - 0.5").join(", ");
      await client.query(`
      alter table patient_embeddings disable trigger user;
      insert into patient_embeddings (patient_id, context_text, embedding)
      select i, 'patient ' || i, array[${random}]::vector from generate_series(1, 12000) i;
      alter table patient_embeddings enable trigger user;
      create index patients_near on patient_embeddings using hnsw (embedding vector_cosine_ops);
      analyze patient_embeddings`);
      // So few rows would be compared without looking into the index.
      await client.query("set cpu_tuple_cost = 10");
      try {
        for (const filter of ["patient_id % 400 = 0", "patient_id % 100 = 0", "patient_id <= 9000"]) {
          const expected = await nearest(client, "a question", 10, filter);
          const keys = await found(client, "a question", 10, filter);
          expect(keys).toHaveLength(10);
          // An index answers approximately where many of the question's nearest rows pass.
          if (filter.includes("%")) expect(keys).toEqual(expected);
          else expect(keys.filter((key) => expected.includes(key)).length).toBeGreaterThanOrEqual(8);
        }
        expect(await found(client, "a question", 1500, "patient_id <= 9000")).toHaveLength(1500);
        expect(await found(client, "a question", 10, null)).toHaveLength(10);
      } finally {
        await client.query("drop index patients_near");
      }
    });
  },
);
