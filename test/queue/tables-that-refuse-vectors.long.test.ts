import { expect, test, vi } from "vitest";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const TRIGGERS = {
  "returns null": "return null;",
  "keeps the vector that was there": "new.embedding := old.embedding; return new;",
} as const;

test.each(Object.entries(TRIGGERS))(
  "A trigger that %s fails its rows with a reason, and their texts are sent once",
  async (_what, body) => {
    const { client, provider, listen } = await prepare();
    await guard(client, "patient_embeddings", "new.context_text like 'guarded%'", body);
    const listener = await listen();
    await client.query(
      "insert into patient_embeddings values (1, 'guarded'), (2, 'free'), (3, 'guarded too')",
    );
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await failures(client)).toEqual(["1", "3"]);
    expect(await wrongRows(client)).toEqual(["1", "3"]);
    const sent = provider.requests.flatMap(({ texts }) => texts).filter((text) => /guarded|free/.test(text));
    expect(sent.toSorted()).toEqual(["free", "guarded", "guarded too"]);

    await client.query("update patient_embeddings set context_text = 'free now' where patient_id = 1");
    await client.query("drop trigger guard on patient_embeddings");
    await client.query("update autoembed.embedding_queue set failed_at = null, owner = null");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  },
);

test("A vector that a trigger keeps or changes is not taken for the new text's vector", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three')");
  await listener.whenDrained(AbortSignal.timeout(10_000));
  const whole = "new.embedding is distinct from old.embedding and new.patient_id";
  await guard(client, "patient_embeddings", `${whole} = 1`, TRIGGERS["keeps the vector that was there"]);
  await client.query(`create or replace function turn() returns trigger language plpgsql as
    $$ begin new.embedding := new.embedding + new.embedding; return new; end $$;
    drop trigger if exists turn on patient_embeddings;
    create trigger turn before update on patient_embeddings for each row when (${whole} = 2) execute function turn()`);
  await client.query("update patient_embeddings set context_text = context_text || ', again'");
  await listener.whenDrained(AbortSignal.timeout(10_000));
  expect(await failures(client)).toEqual(["1", "2"]);
  await client.query("drop trigger turn on patient_embeddings");
});

test("A trigger that names a missing table fails its own row, and keeps no other row waiting", async () => {
  const { client, listen } = await prepare();
  await guard(client, "patient_embeddings", "new.patient_id = 2", "perform from nowhere; return new;");
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three')");
  await listener.whenDrained(AbortSignal.timeout(10_000));
  expect(await wrongRows(client)).toEqual(["2"]);
  const { rows } = await client.query("select key, last_error from autoembed.embedding_queue");
  expect(rows).toEqual([{ key: "2", last_error: expect.stringContaining("42P01") as string }]);
  await client.query("drop trigger guard on patient_embeddings");
});

test.each(["PT403", "XX000", "55000", "45000", "0A000", "22000"])(
  "A row whose vector a trigger refuses with SQLSTATE %s fails alone, and its text is sent once",
  async (code) => {
    const { client, provider, listen } = await prepare();
    await guard(
      client,
      "patient_embeddings",
      "new.patient_id = 2",
      `raise exception 'not this' using errcode = '${code}';`,
    );
    const listener = await listen();
    await client.query(
      "insert into patient_embeddings values (1, 'one ' || $1), (2, 'two ' || $1), (3, 'three ' || $1)",
      [code],
    );
    await listener.whenDrained(AbortSignal.timeout(10_000));
    expect(await wrongRows(client)).toEqual(["2"]);
    const { rows } = await client.query("select key, last_error from autoembed.embedding_queue");
    expect(rows).toEqual([{ key: "2", last_error: expect.stringContaining(code) as string }]);
    expect(
      provider.requests.flatMap(({ texts }) => texts).filter((text) => text.endsWith(code)),
    ).toHaveLength(3);
    await client.query("drop trigger guard on patient_embeddings");
  },
);

test.each(["08001", "53200", "25006", "HV00N"])(
  "A trigger that reports the outage %s of another server keeps no other table waiting, and its texts are sent once",
  async (code) => {
    const { client, provider, listen } = await prepare();
    await client.query(`drop table if exists bystanders cascade;
      create table bystanders (patient_id int primary key, context_text text, embedding vector(${DIMENSIONS}))`);
    await client.query("select autoembed.watch('bystanders', 'context_text')");
    const raise = `raise exception 'no other server' using errcode = '${code}';`;
    await guard(client, "patient_embeddings", "new.embedding is not null", raise);
    await listen({ EMBED_BATCH_SIZE: "1", EMBED_SHUTDOWN_MS: "1000" });
    await client.query(
      "insert into patient_embeddings select n, 'guarded ' || n from generate_series(1, 6) n",
    );
    const sent = () => provider.requests.flatMap(({ texts }) => texts).filter((text) => /guarded/.test(text));
    await expect.poll(() => sent().length, { timeout: 30_000 }).toBe(6);
    await client.query("insert into bystanders values (1, 'one'), (2, 'two')");
    await expect.poll(() => wrongRows(client, "bystanders"), { timeout: 30_000 }).toEqual([]);
    await client.query("drop trigger guard on patient_embeddings");
    await expect.poll(() => wrongRows(client), { timeout: 30_000 }).toEqual([]);
    expect(sent()).toHaveLength(6);
  },
);

test("A blank row whose vector a trigger keeps fails, and stays in the queue", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await guard(client, "patient_embeddings", "new.patient_id = 1 and new.embedding is null", "return null;");
  await client.query(
    "update patient_embeddings set context_text = ' ' where embedding is not null and patient_id = 2",
  );
  await client.query("update patient_embeddings set context_text = ' ' where patient_id = 1");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await failures(client)).toEqual(["1"]);
  expect(await wrongRows(client)).toEqual(["1"]);
});

test("A blank row whose vector a trigger does not let go fails, and keeps no other blank row waiting", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await guard(
    client,
    "patient_embeddings",
    "new.patient_id = 2 and new.embedding is null",
    "raise exception 'not this';",
  );
  await client.query("update patient_embeddings set context_text = ' '");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  const { rows } = await client.query("select key, last_error from autoembed.embedding_queue");
  const reason = expect.stringMatching(/P0001.*when the vector was removed/) as string;
  expect(rows).toEqual([{ key: "2", last_error: reason }]);
  expect(await wrongRows(client)).toEqual(["2"]);
  await client.query("drop trigger guard on patient_embeddings");
});

test("A row whose vector a trigger refuses or keeps in a table of vectors fails, and stays in the queue", async () => {
  const { client, listen } = await prepare();
  await client.query(`drop table if exists texts, texts_vectors cascade;
    create table texts (id int primary key, body text);
    create table texts_vectors (id int primary key references texts on delete cascade on update cascade,
      embedding vector(${DIMENSIONS}))`);
  await client.query("select autoembed.watch('texts', 'body', vector_table => 'texts_vectors')");
  const listener = await listen();
  await client.query("insert into texts values (1, 'one'), (2, 'two')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await failures(client)).toEqual([]);

  await client.query(`create or replace function refuse() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger guard before insert or update or delete on texts_vectors for each row execute function refuse()`);
  await client.query("insert into texts values (3, 'three'); update texts set body = 'another' where id = 1");
  await client.query("update texts set body = '' where id = 2");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await failures(client)).toEqual(["1", "2", "3"]);
});

async function guard(client: Listening["client"], table: string, when: string, body: string): Promise<void> {
  await client.query(`create or replace function guard() returns trigger language plpgsql as $$ begin ${body} end $$;
    drop trigger if exists guard on ${table};
    create trigger guard before update on ${table} for each row when (${when}) execute function guard()`);
}

/** The keys of failed rows, each with the expected reason. */
async function failures(client: Listening["client"]): Promise<string[]> {
  const { rows } = await client.query<{ key: string; last_error: string }>(
    "select key, last_error from autoembed.embedding_queue where failed_at is not null order by key",
  );
  for (const { last_error } of rows) expect(last_error).toMatch(/did not keep it.*trigger/);
  return rows.map(({ key }) => key);
}
