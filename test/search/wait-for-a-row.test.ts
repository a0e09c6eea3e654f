import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";
import { describeNative } from "../support/database.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { nameIn, role, session } from "../support/roles.ts";

vi.setConfig({ testTimeout: 180_000 });

async function isCurrent({ client }: Pick<Listening, "client">, key: string): Promise<boolean | undefined> {
  const { rows } = await client.query<{ current: boolean }>(
    "select autoembed.is_current('patient_embeddings', $1) as current",
    [key],
  );
  return rows[0]?.current;
}

test("A row is current when it has the vector of its text, or no text and no vector", async () => {
  const on = await prepare();
  await on.client.query("insert into patient_embeddings values (1, 'one'), (2, '  ')");
  expect(await isCurrent(on, "1")).toBe(false);
  if (on.database.engine === "embedded") {
    await expect(on.client.query("select autoembed.wait('patient_embeddings', '1')")).rejects.toThrow(
      "the embedded Postgres has one session",
    );
  }
  const listener = await on.listen();
  await listener.whenDrained();
  for (const key of ["1", "2"]) expect(await isCurrent(on, key)).toBe(true);
  expect(await isCurrent(on, "3")).toBe(false);

  await listener.stop();
  await on.client.query("update patient_embeddings set context_text = 'another' where patient_id = 1");
  // However its key is written.
  for (const key of ["1", "01", " 1"]) expect(await isCurrent(on, key)).toBe(false);
  await expect(on.client.query("select autoembed.is_current('nothing', '1')")).rejects.toMatchObject({
    message: "no source is called 'nothing'",
  });
});

test("settled() resolves when a row's vector has come, ends with its signal, and throws for a row that failed", async () => {
  const on = await prepare();
  const config = readConfig(on.environment);
  const search = createSearch({ config: { ...config, DATABASE_URL: on.database.url } });
  onTestFinished(() => search.close());
  await on.client.query("insert into patient_embeddings values (1, 'one')");
  await expect(search.settled({ key: "1", signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    name: "TimeoutError",
  });
  const settled = search.settled({ key: "1" });
  await on.listen();
  await settled;
  expect(await isCurrent(on, "1")).toBe(true);

  await on.client.query(`insert into autoembed.embedding_queue (source_id, key, failed_at, last_error)
    select id, '1', now(), 'too long' from autoembed.embedding_source where name = 'patient_embeddings'`);
  await expect(search.settled({ key: "1" })).rejects.toMatchObject({
    message: "the row '1' of patient_embeddings failed.",
    remedy: expect.stringContaining("npm run failed") as string,
  });
  await expect(search.settled({ source: "nothing", key: "1" })).rejects.toThrow(
    'No source is called "nothing"',
  );
});

test("A row whose text is in chunks is current when all of its chunks have their vectors", async () => {
  const { client, listen, watch } = await prepareChunkedDocuments();
  await watch();
  await client.query("insert into app.documents values (1, $1)", [prose(8)]);
  const ask = "select autoembed.is_current('app.documents', '1') as current";
  expect((await client.query(ask)).rows).toEqual([{ current: false }]);
  const listener = await listen();
  await listener.whenDrained();
  expect((await client.query(ask)).rows).toEqual([{ current: true }]);
  await listener.stop();
  await client.query(`insert into autoembed.embedding_queue (source_id, key)
    select id, '["1", "2"]' from autoembed.embedding_source
    where watched_table = 'app.documents_passages'::regclass`);
  expect((await client.query(ask)).rows).toEqual([{ current: false }]);
});

test("What cannot be a key is refused with what the key is, and not repeated", async () => {
  const on = await prepare();
  await on.client.query(`
    drop table if exists public.visits;
    create table public.visits (ward text, day date, body text, embedding vector(8), primary key (ward, day));
    select autoembed.watch('public.visits', 'body', source_name => 'visits');
    insert into public.visits values ('w1', '2026-01-02', '')`);
  const isCurrent = async (source: string, key: string | null): Promise<unknown> =>
    (
      await on.client.query<{ current: boolean }>("select autoembed.is_current($1, $2) as current", [
        source,
        key,
      ])
    ).rows[0]?.current;
  const ofOne = { code: "22023", message: "that is no key of patient_embeddings", hint: /bigint|integer/ };
  for (const key of ["secret", "", "99999999999999999999", "1.5", null])
    await expect(isCurrent("patient_embeddings", key)).rejects.toMatchObject({
      ...ofOne,
      hint: expect.stringMatching(ofOne.hint) as string,
    });
  const keys = [
    "w1",
    '["w1"]',
    '["w1", "secret"]',
    '["w1", null]',
    '["w1", "2026-01-02", "x"]',
    "{}",
    "null",
    "[",
  ];
  for (const key of keys)
    await expect(isCurrent("visits", key), key).rejects.toMatchObject({
      code: "22023",
      message: "that is no key of visits",
      hint: "Its key is a JSON array of the texts of ward (text), day (date), as a search returns it.",
    });
  expect(await isCurrent("visits", '["w1", "2026-01-02"]')).toBe(true);
});

describeNative("autoembed.wait() waits for a row", "the embedded Postgres has one session", () => {
  test.each([
    [
      "a savepoint",
      "savepoint s; update patient_embeddings set context_text = 'changed' where patient_id = 1; release savepoint s",
    ],
    ["many rows at once", "update patient_embeddings set context_text = context_text || '!'"],
  ])("It says so where it waits for its own transaction's change, by %s", async (_what, change) => {
    const on = await prepare();
    await on.client.query(
      "insert into patient_embeddings select i, 'text ' || i from generate_series(1, 100) i",
    );
    await on.client.query("delete from autoembed.embedding_queue");
    await on.client.query("begin");
    await on.client.query(change);
    await expect(on.client.query("select autoembed.wait('patient_embeddings', '1', '5 s')")).rejects.toThrow(
      "was changed in this transaction",
    );
    await on.client.query("rollback");
  });

  test("It returns true when the vector has come, and false when its time is over", async () => {
    const on = await prepare();
    await on.client.query("insert into patient_embeddings values (1, 'one')");
    const wait = async (patience: string): Promise<boolean | undefined> => {
      const { rows } = await on.client.query<{ came: boolean }>(
        "select autoembed.wait('patient_embeddings', '1', $1) as came",
        [patience],
      );
      return rows[0]?.came;
    };
    expect(await wait("100 ms")).toBe(false);
    const waiting = wait("60 s");
    await on.listen();
    expect(await waiting).toBe(true);
  });

  test("It raises at once where it could never see the vector come", async () => {
    const { client } = await prepare();
    const wait = () => client.query("select autoembed.wait('patient_embeddings', '1', '60 s')");
    await client.query("begin isolation level repeatable read");
    await expect(wait()).rejects.toThrow("a transaction with the isolation REPEATABLE READ never sees");
    await client.query("rollback; begin; insert into patient_embeddings values (1, 'one')");
    await expect(wait()).rejects.toThrow("the row '1' of patient_embeddings was changed in this transaction");
    await client.query("rollback; insert into patient_embeddings values (1, 'one')");
    await client.query(
      "update autoembed.embedding_queue set failed_at = now(), last_error = 'one is too long'",
    );
    await expect(wait()).rejects.toMatchObject({
      message: "the row '1' of patient_embeddings failed",
      hint: expect.stringContaining("npm run failed") as string,
    });
  });

  test("A role that may search may wait, and reads no queue", async () => {
    const { client, database, listen } = await prepare();
    const url = await role(client, database.url, "waiting");
    const waiting = await session(url);
    const wait = () => waiting.query("select autoembed.wait('patient_embeddings', '1', '60 s') as came");
    await client.query("insert into patient_embeddings values (1, 'one')");
    await expect(wait()).rejects.toMatchObject({ code: "42501" });
    await client.query(`select autoembed.grant_search('${nameIn(url)}')`);
    await expect(wait()).rejects.toMatchObject({ code: "42501" });
    await client.query(`grant select on patient_embeddings to ${nameIn(url)}`);
    const came = wait();
    await listen();
    expect((await came).rows).toEqual([{ came: true }]);
    await expect(waiting.query("select from autoembed.embedding_queue")).rejects.toMatchObject({
      code: "42501",
    });
  });
});
