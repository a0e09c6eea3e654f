import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare as prepareDatabase, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { nameIn, role, session } from "../support/roles.ts";
import { startProcess } from "../support/start-process.ts";

vi.setConfig({ testTimeout: 120_000 });

const FAR = "a question that no row has";

interface Hit {
  readonly key: string;
  readonly score: number;
  readonly distance: number;
  readonly chunk?: number;
}

async function prepare(overrides: Readonly<Record<string, string>> = {}): Promise<Listening> {
  const on = await prepareDatabase(overrides);
  await on.client.query("truncate autoembed.embedding_asked, autoembed.embedding_question");
  await on.client.query("update autoembed.embedding_source set question_model = null");
  return on;
}

/** Rows with vectors, and a listener that made them. */
async function prepareRows(overrides: Readonly<Record<string, string>> = {}) {
  const on = await prepare(overrides);
  const listener = await on.listen();
  await on.client.query(
    "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 20) i",
  );
  await listener.whenDrained();
  return { ...on, listener };
}

async function ask(client: pg.Client, question: string, more = ""): Promise<Hit[]> {
  const { rows } = await client.query<{ hits: Hit[] }>(
    `call autoembed.ask('patient_embeddings', $1${more})`,
    [question],
  );
  return rows[0]?.hits ?? [];
}

async function searchByText(client: pg.Client, question: string, more = ""): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    `select key from autoembed.search('patient_embeddings', $1${more})`,
    [question],
  );
  return rows.map(({ key }) => key);
}

async function waitingTexts(client: pg.Client): Promise<(string | null)[]> {
  const { rows } = await client.query<{ question: string | null }>(
    "select question from autoembed.embedding_asked",
  );
  return rows.map(({ question }) => question);
}

const timesSent = ({ provider }: Pick<Listening, "provider">, question: string): number =>
  provider.requests.filter(({ texts }) => texts.includes(question)).length;

const near = (value: number): number => expect.closeTo(value) as number;

const keysOf = (hits: readonly Hit[]): string[] => hits.map(({ key }) => key);

test("A vector without a type is searched by as a vector, as one with a type is, and words that were not asked are refused", async () => {
  const { client } = await prepareRows();
  const vector = `[${oracleVector("patient 7", DIMENSIONS).join(",")}]`;
  const search = async (given: string): Promise<unknown[]> =>
    (await client.query<object>(`select * from autoembed.search('patient_embeddings', ${given}, 3)`)).rows;
  const expected = await search(`'${vector}'::vector`);
  expect(expected[0]).toMatchObject({ key: "7" });
  for (const given of [`'${vector}'`, `' [ ${vector.slice(1)} '`, `'${vector}'::text`])
    expect(await search(given)).toEqual(expected);
  expect(await searchByText(client, vector, ", 1")).toEqual(["7"]);
  await expect(search("'patient 7'")).rejects.toMatchObject({
    message: "this question was not asked of patient_embeddings within the last hour",
    hint: expect.stringContaining("call autoembed.ask('patient_embeddings', $1)") as string,
  });
  await expect(search("null")).rejects.toThrow("was not asked");
  await expect(client.query("select * from autoembed.search('nothing', 'words')")).rejects.toThrow(
    "no source is called 'nothing'",
  );
});

test("What a search in TypeScript has asked is found by its words, until the hour is over or questions are sent otherwise", async () => {
  const { client, database, environment, listen, listener } = await prepareRows();
  const config = readConfig(environment);
  const search = createSearch({ config: { ...config, DATABASE_URL: database.url } });
  onTestFinished(() => search.close());
  const { hits } = await search.search(" patient 3 ", { limit: 4, hybrid: false });
  expect(hits[0]?.key).toBe("3");
  for (const words of ["patient 3", " patient 3\n"])
    expect(await searchByText(client, words, ", 4")).toEqual(hits.map(({ key }) => key));
  await client.query("update autoembed.embedding_question set asked_at = now() - interval '61 minutes'");
  await expect(searchByText(client, "patient 3")).rejects.toThrow("was not asked");
  await client.query("update autoembed.embedding_question set asked_at = now()");
  await listener.stop();
  await listen({ EMBED_QUERY_PREFIX: "other: " });
  await expect(searchByText(client, "patient 3")).rejects.toThrow("was not asked");
});

test("Where a listener could not answer, since there is one session, ask says so", async (context) => {
  const { client, database } = await prepareRows();
  if (database.engine !== "embedded") context.skip("only the embedded Postgres has one session");
  await expect(ask(client, FAR)).rejects.toThrow("the embedded Postgres has one session");
  expect(await waitingTexts(client)).toEqual([]);
});

describeNative("call autoembed.ask()", "the embedded Postgres has one session", () => {
  test("It returns the nearest rows, as a search in TypeScript does; the vector stays for the hour, and the text does not", async () => {
    const on = await prepareRows();
    const hits = await ask(on.client, "patient 5", ", 3");
    expect(hits).toHaveLength(3);
    expect(hits[0]).toEqual({ key: "5", score: near(1), distance: near(0) });
    const search = createSearch({ config: { ...readConfig(on.environment), DATABASE_URL: on.database.url } });
    onTestFinished(() => search.close());
    const found = await search.search("patient 5", { limit: 3, hybrid: false });
    expect(keysOf(hits)).toEqual(found.hits.map(({ key }) => key));
    expect(hits.map(({ score }) => score)).toEqual(found.hits.map(({ score }) => near(score)));
    expect(await waitingTexts(on.client)).toEqual([]);
    expect(await searchByText(on.client, "patient 5", ", 3")).toEqual(keysOf(hits));
    expect(await ask(on.client, "patient 5", ", 3")).toEqual(hits);
    expect(timesSent(on, "patient 5")).toBe(2); // once as a row, once as a question
  });

  test("It takes a filter, as autoembed.search() does", async () => {
    const { client } = await prepareRows();
    expect(keysOf(await ask(client, "patient 5", ", 10, 'patient_id in (2, 5, 9)'")).toSorted()).toEqual([
      "2",
      "5",
      "9",
    ]);
    expect(keysOf(await ask(client, "patient 5", ", filter => 'patient_id > 18', k => 1"))).toHaveLength(1);
    await expect(ask(client, FAR, ", 3, 'no_such = 1'")).rejects.toThrow('"no_such" does not exist');
  });

  test("Of a text in chunks it returns each row once, with its best chunk", async () => {
    const { client, listen, watch } = await prepareChunkedDocuments();
    await watch();
    const listener = await listen();
    await client.query("insert into app.documents select n, $1 || n from generate_series(1, 4) n", [
      prose(8),
    ]);
    await listener.whenDrained();
    const { rows } = await client.query<{ hits: Hit[] }>("call autoembed.ask('app.documents', $1)", [FAR]);
    expect(keysOf(rows[0]?.hits ?? []).toSorted()).toEqual(["1", "2", "3", "4"]);
    expect(rows[0]?.hits[0]?.chunk).toBeGreaterThan(0);
    const found = await client.query("select key, chunk from autoembed.search('app.documents', $1)", [FAR]);
    expect(found.rows).toEqual(rows[0]?.hits.map(({ key, chunk }) => ({ key, chunk })));
  });

  test("A source with a provider of its own is asked by that", async () => {
    const on = await prepareRows();
    await on.client
      .query(`create table if not exists asked_notes (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
      truncate asked_notes; select autoembed.watch('asked_notes', 'body', model => 'its-own')`);
    await on.client.query("insert into asked_notes values (1, 'a note')");
    await on.listener.whenDrained();
    const { rows } = await on.client.query<{ hits: Hit[] }>("call autoembed.ask('asked_notes', 'a note')");
    expect(keysOf(rows[0]?.hits ?? [])).toEqual(["1"]);
    expect(on.provider.requests.at(-1)?.body["model"]).toBe("its-own");
    await expect(searchByText(on.client, "a note")).rejects.toThrow("was not asked");
  });

  test("Asked by several sessions at once, with several listeners, a question is paid for once", async () => {
    const on = await prepareRows();
    await on.listen();
    on.provider.latencyMs = 300;
    const sessions = await Promise.all([1, 2, 3].map(() => session(on.database.url)));
    const answers = await Promise.all(sessions.map((client) => ask(client, FAR, ", 3")));
    expect(new Set(answers.map((hits) => JSON.stringify(hits))).size).toBe(1);
    expect(answers[0]).toHaveLength(3);
    expect(timesSent(on, FAR)).toBe(1);
  });

  test("Inside of a transaction it says to be called by itself, and keeps nothing", async () => {
    const on = await prepareRows();
    const inside = { code: "25001", message: expect.stringContaining("inside of a transaction") as string };
    await on.client.query("begin");
    await expect(ask(on.client, FAR)).rejects.toMatchObject(inside);
    await on.client.query("rollback");
    await expect(
      on.client.query(`call autoembed.ask('patient_embeddings', '${FAR}'); select 1`),
    ).rejects.toMatchObject(inside);
    await on.client.query(`create or replace function pg_temp.asks() returns void language plpgsql as $$
      declare hits jsonb; begin call autoembed.ask('patient_embeddings', '${FAR}', hits => hits); end $$`);
    await expect(on.client.query("select pg_temp.asks()")).rejects.toMatchObject(inside);
    expect(await waitingTexts(on.client)).toEqual([]);
    expect(timesSent(on, FAR)).toBe(0);
  });

  test("It answers where transactions are REPEATABLE READ or SERIALIZABLE by default, and in a block of code by itself", async () => {
    const on = await prepareRows();
    on.provider.latencyMs = 100;
    for (const isolation of ["repeatable read", "serializable"]) {
      await on.client.query(`set default_transaction_isolation = '${isolation}'`);
      expect(keysOf(await ask(on.client, `${FAR} ${isolation}`, ", 2"))).toHaveLength(2);
    }
    await on.client.query(`reset default_transaction_isolation; set search_path = '';
      set plpgsql.variable_conflict = use_column`);
    await on.client.query(`do $$ declare found jsonb; begin
      call autoembed.ask('patient_embeddings', 'in a block', 2, hits => found);
      if jsonb_array_length(found) <> 2 then raise exception 'found %', found; end if; end $$`);
    expect((await on.client.query("show search_path")).rows).toEqual([{ search_path: '""' }]);
  });

  test("Without a listener it says so at once, and keeps nothing", async () => {
    const { client } = await prepare();
    const refused = {
      message: expect.stringContaining("no listener is running") as string,
      hint: "Start one: npm start",
    };
    await expect(ask(client, FAR)).rejects.toMatchObject(refused);
    await client.query(`insert into autoembed.embedding_listener (host, pid, version, seen_at)
      values ('gone', 1, '0', now() - interval '1 hour'), ('stopped', 1, '0', '-infinity')`);
    await expect(ask(client, FAR)).rejects.toMatchObject(refused);
    // A listener of a version that answers no questions.
    await client.query(
      "insert into autoembed.embedding_listener (host, pid, version) values ('old', 1, '0')",
    );
    await expect(ask(client, FAR)).rejects.toMatchObject(refused);
    expect((await client.query("select from autoembed.embedding_asked")).rowCount).toBe(0);
  });

  test.each([
    ["rows", "insert into autoembed.embedding_queue (source_id, key, owner) select s.id, '1', l.id"],
    [
      "a page of a backfill",
      `insert into autoembed.embedding_backfill (source_id, is_all, key_columns) select id, false, key_columns
         from autoembed.embedding_source where name = 'patient_embeddings';
       insert into autoembed.embedding_page (source_id, upto, owner) select s.id, '{9}', l.id`,
    ],
  ])("A listener that died while it woke, and has claimed %s, is no running one", async (_, claims) => {
    const { client } = await prepare();
    await client.query(`insert into autoembed.embedding_listener (host, pid, version, seen_at, state)
      values ('asleep', 1, '0', now() - interval '1 hour', '{"answers_questions": true, "asleep": true}')`);
    await expect(ask(client, FAR, ", patience => '100 ms'")).rejects.toThrow("was not embedded in time");
    await client.query(`${claims} from autoembed.embedding_source s, autoembed.embedding_listener l
      where s.name = 'patient_embeddings'`);
    await expect(ask(client, FAR, ", patience => '100 ms'")).rejects.toThrow("no listener is running");
    expect((await waitingTexts(client)).filter((text) => text !== null)).toEqual([]);
  });

  test.each([
    ["refuses the text", 400, "the provider refuses this question"],
    ["finds it too long", "too long", "longer than the model takes"],
    ["wants another key", 401, "as the provider is set up"],
    ["is down", 500, "the provider does not answer"],
  ] as const)(
    "Where the provider %s, who asks learns of it without its words, and no text stays",
    async (_, fault, message) => {
      const on = await prepareRows();
      const asked = fault === "too long" ? FAR.padEnd(300, "!") : FAR;
      if (fault === "too long") on.provider.longestText = 200;
      else if (fault === 400) on.provider.poison = (text) => text === asked;
      else on.provider.always(fault);
      const error: unknown = await ask(on.client, asked).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ message: expect.stringContaining(message) as string });
      expect(JSON.stringify(error) + String(error)).not.toMatch(/Told to say|I will not read|no row has/);
      expect(await waitingTexts(on.client)).toEqual([null]);
      on.provider.longestText = Number.POSITIVE_INFINITY;
      on.provider.poison = undefined;
      on.provider.always(undefined);
      await expect
        .poll(() => ask(on.client, asked, ", 1").then(keysOf, String), { timeout: 60_000, interval: 200 })
        .toHaveLength(1);
      expect(await waitingTexts(on.client)).toEqual([]);
    },
  );

  test.each([
    ["its patience is over", "", ", patience => '150 ms'", "was not embedded in time"],
    ["its statement is timed out", "set statement_timeout = '2 s'", "", "canceled while the question waited"],
  ])(
    "Where %s, no text stays; asked again, the question is paid for once",
    async (_, setting, more, message) => {
      const on = await prepareRows();
      // Slow enough that on a busy machine too the statement waits for the answer when its time is over.
      on.provider.latencyMs = 5_000;
      await on.client.query(setting);
      await expect(ask(on.client, FAR, more)).rejects.toThrow(message);
      expect((await waitingTexts(on.client)).filter((text) => text !== null)).toEqual([]);
      await on.client.query("reset statement_timeout");
      expect(keysOf(await ask(on.client, FAR, ", 1"))).toHaveLength(1);
      expect(timesSent(on, FAR)).toBe(1);
      expect(await waitingTexts(on.client)).toEqual([]);
    },
  );

  test("A listener drops the text of one who was cut off before the answer, and answers one that it took without knowing", async () => {
    const on = await prepareRows();
    await on.client
      .query(`insert into autoembed.embedding_asked (source_id, text_hash, question, owner, asked_at)
      select s.id, sha256(convert_to(q, 'UTF8')), q, l.id, now() - age
      from autoembed.embedding_source s, autoembed.embedding_listener l,
        (values ('abandoned', interval '61 s'), ('wanted', interval '10 s')) v(q, age)`);
    await expect.poll(() => waitingTexts(on.client), { timeout: 20_000 }).toEqual([]);
    expect([timesSent(on, "wanted"), timesSent(on, "abandoned")]).toEqual([1, 0]);
  });

  test("A hundred questions at once are all answered, each paid for once, and one that is too long is refused", async () => {
    const on = await prepareRows();
    const words = Array.from({ length: 100 }, (_, n) => `one of many ${n}`);
    await on.client.query(
      "select autoembed.put_question(s.id, w) from autoembed.embedding_source s, unnest($1::text[]) w",
      [words],
    );
    await expect.poll(() => waitingTexts(on.client), { timeout: 60_000 }).toEqual([]);
    for (const word of words) expect(timesSent(on, word)).toBe(1);
    await expect(ask(on.client, "x".repeat(65_537))).rejects.toThrow("longer than 64 kB");
  });

  test("A question whose vector the database does not take at first is paid for once", async () => {
    const on = await prepareRows();
    await on.client.query(`create sequence refusals;
      create function refuse_twice() returns trigger language plpgsql as
      $$ begin if nextval('public.refusals') <= 2 then raise exception 'not now'; end if; return new; end $$;
      create trigger refuse_twice before insert on autoembed.embedding_question for each row execute function refuse_twice()`);
    try {
      expect(keysOf(await ask(on.client, FAR, ", 1"))).toHaveLength(1);
      expect((await on.client.query("select last_value::int as tries from refusals")).rows).toEqual([
        { tries: 3 },
      ]);
    } finally {
      await on.client.query("drop function refuse_twice() cascade; drop sequence refusals");
    }
    expect(timesSent(on, FAR)).toBe(1);
  });

  test("A question whose listener is killed is answered by another", async () => {
    const on = await prepare();
    const killed = await startProcess({ environment: on.environment });
    on.provider.latencyMs = 60_000;
    const answer = ask(on.client, FAR);
    await expect.poll(() => timesSent(on, FAR), { timeout: 20_000 }).toBe(1);
    killed.process.kill("SIGKILL");
    on.provider.latencyMs = 0;
    await on.listen();
    expect(await answer).toEqual([]);
    expect(timesSent(on, FAR)).toBe(2);
  });

  test("A question whose only listener is killed ends with an error that says so, and leaves no text", async () => {
    const on = await prepare();
    const killed = await startProcess({ environment: on.environment });
    on.provider.latencyMs = 60_000;
    const other = await session(on.database.url);
    const answer = expect(ask(other, FAR)).rejects.toThrow("no listener is running");
    await expect.poll(() => timesSent(on, FAR), { timeout: 20_000 }).toBe(1);
    killed.process.kill("SIGKILL");
    await answer;
    expect((await waitingTexts(on.client)).filter((text) => text !== null)).toEqual([]);
  });

  test("A listener that is stopped leaves its question to another", async () => {
    const on = await prepareRows();
    const other = await on.listen();
    on.provider.next(500);
    await ask(on.client, FAR, ", 1");
    await on.listener.stop();
    expect(await ask(on.client, `${FAR} at all`, ", 1")).toHaveLength(1);
    await other.stop();
    await expect(ask(on.client, "nobody is left")).rejects.toThrow("no listener is running");
  });

  test("A question is answered while a claim waits for the provider", async () => {
    const on = await prepareRows({ EMBED_MAX_CONCURRENCY: "2" });
    on.provider.latencyMs = 50;
    await on.client.query(
      "insert into patient_embeddings select i, 'text ' || i from generate_series(100, 5000) i",
    );
    expect(keysOf(await ask(on.client, FAR, ", 1"))).toHaveLength(1);
    const { rows } = await on.client.query<{ left: string }>(
      "select count(*) as left from autoembed.embedding_queue",
    );
    expect(Number(rows[0]?.left)).toBeGreaterThan(0);
  });

  test("A role needs grant_search() and the right to read the table; it can read no question, and none of ours", async () => {
    const on = await prepareRows();
    const url = await role(on.client, on.database.url, "asking");
    const name = nameIn(url);
    const asking = await session(url);
    const denied = { code: "42501" };
    await expect(ask(asking, FAR)).rejects.toMatchObject(denied);
    await on.client.query(`select autoembed.grant_search('${name}')`);
    await expect(ask(asking, FAR)).rejects.toMatchObject({
      ...denied,
      message: "permission denied for table patient_embeddings",
    });
    const source = "(select id from autoembed.embedding_source where name = 'patient_embeddings')";
    await expect(asking.query(`select autoembed.put_question(${source}, 'x')`)).rejects.toMatchObject(denied);
    expect(timesSent(on, FAR)).toBe(0);
    expect(await waitingTexts(on.client)).toEqual([]);

    await on.client.query(`grant select on patient_embeddings to ${name}`);
    expect(keysOf(await ask(asking, "patient 5", ", 1"))).toEqual(["5"]);
    expect(await searchByText(asking, "patient 5", ", 1")).toEqual(["5"]);
    for (const table of ["embedding_asked", "embedding_question", "embedding_listener"])
      await expect(asking.query(`select from autoembed.${table}`)).rejects.toMatchObject(denied);
    for (const statement of [
      "insert into autoembed.embedding_asked (source_id, text_hash) values (1, '')",
      "update autoembed.embedding_asked set question = null",
      "delete from autoembed.embedding_asked",
    ])
      await expect(asking.query(statement)).rejects.toMatchObject(denied);
    // The role that was set asks, not the one that has logged in.
    const lesser = nameIn(await role(on.client, on.database.url, "lesser"));
    await on.client.query(`select autoembed.grant_search('${lesser}')`);
    await on.client.query(`set role ${lesser}`);
    await expect(ask(on.client, FAR)).rejects.toMatchObject(denied);
    await on.client.query("reset role");
  });

  test("Listeners are notified that a question waits, and not of what it is", async () => {
    const on = await prepareRows();
    const heard: (string | undefined)[] = [];
    const hearing = await session(on.database.url);
    hearing.on("notification", ({ payload }) => heard.push(payload));
    await hearing.query("listen autoembed");
    await ask(on.client, FAR);
    await expect.poll(() => heard).toContain("ask");
    expect(heard.filter((payload) => payload !== "ask" && payload !== "")).toEqual([]);
  });

  test("A source that is watched with another model forgets what was asked of the old one, and one that goes takes its questions along", async () => {
    const { client, listener } = await prepareRows();
    await client.query(`create table if not exists asked_twice (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
      truncate asked_twice; select autoembed.watch('asked_twice', 'body')`);
    await listener.whenDrained();
    await client.query("call autoembed.ask('asked_twice', 'a note')");
    const search = () => client.query("select from autoembed.search('asked_twice', 'a note')");
    await search();
    await listener.stop();
    await client.query("select autoembed.watch('asked_twice', 'body')");
    await search();
    await client.query("select autoembed.watch('asked_twice', 'body', model => 'another')");
    await expect(search()).rejects.toThrow("was not asked");
    await client.query(`insert into autoembed.embedding_asked (source_id, text_hash, question)
      select id, 'x', 'a note' from autoembed.embedding_source where name = 'asked_twice'`);
    await client.query("select autoembed.unwatch('asked_twice')");
    expect(await waitingTexts(client)).toEqual([]);
  });

  test("A source that is unwatched while a question waits ends the wait with an error that does not show the question", async () => {
    const { client, database, provider } = await prepareRows();
    await client.query(`create table if not exists asked_in_vain (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
      select autoembed.watch('asked_in_vain', 'body')`);
    provider.latencyMs = 60_000;
    const asking = await session(database.url);
    const refusal = asking.query("call autoembed.ask('asked_in_vain', $1)", [FAR]).then(
      () => undefined,
      (error: unknown) => error as pg.DatabaseError,
    );
    await expect.poll(() => waitingTexts(client)).toEqual([FAR]);
    await client.query("select autoembed.unwatch('asked_in_vain')");
    const error = await refusal;
    expect(error).toMatchObject({
      message: expect.stringContaining("was unwatched") as string,
      hint: "Ask again.",
    });
    expect(JSON.stringify(Object.entries(error ?? {}))).not.toContain(FAR);
  });
});
