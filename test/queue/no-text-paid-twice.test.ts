import { expect, onTestFinished, test } from "vitest";
import pg from "pg";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";
import { startProcess } from "../support/start-process.ts";

const ONE_ROW_A_CLAIM = { EMBED_BATCH_SIZE: "1", EMBED_MAX_CONCURRENCY: "1" };
/** The least and the most that each process embeds, as multiples of its fair share of the texts. */
const LEAST_SHARE = 0.2;
const LARGEST_SHARE = 3;

test("A text that two sources of one process find at once is paid for once", async () => {
  const { client, provider, listen } = await prepare();
  provider.latencyMs = 100;
  await client.query(`drop table if exists other_notes;
    create table other_notes (patient_id bigint primary key, context_text text, embedding vector(${DIMENSIONS}))`);
  await client.query("select autoembed.watch('other_notes', 'context_text')");
  const listener = await listen();
  await client.query(`insert into patient_embeddings values (1, 'found in two tables');
    insert into other_notes values (1, 'found in two tables')`);
  await listener.whenDrained(AbortSignal.timeout(30_000));

  expect(sent({ provider }, "found in two tables")).toBe(1);
  expect(await wrongRows(client)).toEqual([]);
  expect(await wrongRows(client, "other_notes")).toEqual([]);
});

describeNative("Two listeners embed a text once", "needs several sessions", () => {
  test("A text that two listeners find at once is paid for once, and every row has its vector", async () => {
    const around = await prepare(ONE_ROW_A_CLAIM);
    const { client, provider, listen } = around;
    provider.latencyMs = 400;
    const listeners = [await listen(), await listen()];
    await client.query("insert into patient_embeddings select n, 'one text' from generate_series(1, 20) n");
    await listeners[0]?.whenDrained(AbortSignal.timeout(30_000));

    expect(sent(around, "one text")).toBe(1);
    expect(await wrongRows(client)).toEqual([]);
    await expect.poll(() => reserved(around)).toBe(0);
  });

  test("A text that another listener has reserved is left alone, without spinning", async () => {
    const { client, provider, listen } = await prepare(ONE_ROW_A_CLAIM);
    const listeners = [await listen(), await listen()];
    provider.latencyMs = 2_000;
    let claims = 0;
    for (const { events } of listeners) events.on("claimed", ({ rows }) => (claims += rows));
    await client.query("insert into patient_embeddings values (1, 'slow'), (2, 'slow')");
    await listeners[0]?.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    // Two seconds at 250 ms, 500 ms and so on, for each of the two listeners that may find the text reserved.
    expect(claims).toBeLessThan(16);
  });

  test("A text whose reserving listener is killed is embedded by another listener", async () => {
    const around = await prepare({ ...ONE_ROW_A_CLAIM, EMBEDDING_TIMEOUT: "60000" });
    const { client, provider } = around;
    const first = await startProcess(around);
    provider.always("hang");
    await client.query("insert into patient_embeddings values (1, 'reserved by the dead')");
    await expect.poll(() => sent(around, "reserved by the dead")).toBe(1);
    expect(await reserved(around)).toBe(1);
    provider.behave();
    const second = await around.listen();
    await client.query("insert into patient_embeddings values (2, 'reserved by the dead')");

    first.process.kill("SIGKILL");
    await second.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    expect(sent(around, "reserved by the dead")).toBe(2);
    await expect.poll(() => reserved(around)).toBe(0);
  });

  test.each([
    ["an unregistered listener", "0", "now()"],
    ["a listener that no longer works on it", "id", "now() - interval '2 minutes'"],
  ])("A text that is still reserved by %s is embedded", async (_who, owner, since) => {
    const around = await prepare();
    const { client, listen, provider } = around;
    const listener = await listen();
    await client.query(`insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner, reserved_at)
      select sha256('orphaned'), '${modelOf(provider)}', 0, ${owner}, ${since} from autoembed.embedding_listener`);
    await client.query("insert into patient_embeddings values (1, 'orphaned')");
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    await expect.poll(() => reserved(around)).toBe(0);
  });

  test("A text that two listeners find and the provider refuses fails for each of its rows", async () => {
    const around = await prepare(ONE_ROW_A_CLAIM);
    const { client, provider, listen } = around;
    provider.latencyMs = 100;
    provider.poison = (text) => text === "poison";
    const listeners = [await listen(), await listen()];
    await client.query("insert into patient_embeddings select n, 'poison' from generate_series(1, 6) n");
    await listeners[0]?.whenDrained(AbortSignal.timeout(30_000));

    const { rows } = await client.query(
      "select count(*)::int as failed from autoembed.embedding_queue where failed_at is not null and last_error is not null",
    );
    expect(rows).toEqual([{ failed: 6 }]);
    await expect.poll(() => reserved(around)).toBe(0);
  });

  test("A text that two listeners find and that is too long fails for each of its rows, and is reserved no longer", async () => {
    const around = await prepare({ ...ONE_ROW_A_CLAIM, EMBED_MAX_TEXT_CHARACTERS: "100" });
    const { client, listen } = around;
    const listeners = [await listen(), await listen()];
    await client.query(
      "insert into patient_embeddings select n, repeat('long', 50) from generate_series(1, 6) n",
    );
    await listeners[0]?.whenDrained(AbortSignal.timeout(30_000));

    const { rows } = await client.query(
      "select count(*)::int as failed from autoembed.embedding_queue where failed_at is not null and last_error like '%100 characters%'",
    );
    expect(rows).toEqual([{ failed: 6 }]);
    await expect.poll(() => reserved(around)).toBe(0);
  });

  test("A text that two listeners find in an outage returns to pending, and is embedded when the provider is back", async () => {
    const around = await prepare({ ...ONE_ROW_A_CLAIM, EMBED_MAX_RETRIES: "0" });
    const { client, provider, listen } = around;
    const listeners = [await listen(), await listen()];
    const [first] = listeners;
    const released = new Promise((resolve) => first?.events.once("source_failing", resolve));
    let failed = 0;
    for (const { events } of listeners) events.on("failed", ({ rows }) => (failed += rows));
    provider.always(503);
    await client.query(
      "insert into patient_embeddings select n, 'in an outage' from generate_series(1, 6) n",
    );
    await released;
    await expect.poll(() => reserved(around)).toBe(0);
    provider.behave();
    await first?.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    expect(failed).toBe(0);
  });

  test("A text that was embedded after the claim began is a cache hit", async () => {
    const around = await prepare();
    const { client, database, provider, listen } = around;
    const other = new pg.Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    const model = modelOf(provider);
    const { rows } = await client.query<{ id: number }>(
      "insert into autoembed.embedding_listener (host, pid, version) values ('elsewhere', 1, '0') returning id",
    );
    const listener = await listen();
    await other.query("begin");
    await other.query("insert into autoembed.embedding_reservation values (sha256('late'), $1, 0, $2)", [
      model,
      rows[0]?.id,
    ]);
    await client.query("insert into patient_embeddings values (1, 'late')");
    await expect
      .poll(async () => {
        const { rowCount } = await client.query(
          "select from pg_stat_activity where datname = current_database() and wait_event = 'transactionid'",
        );
        return rowCount;
      })
      .toBe(1);
    const vector = `[${String(Array.from({ length: DIMENSIONS }, () => 0.5))}]`;
    await other.query(
      "insert into autoembed.embedding_cache (model, text_hash, embedding) values ($1, sha256('late'), $2)",
      [model, vector],
    );
    await other.query("delete from autoembed.embedding_reservation");
    await other.query("commit");
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(sent({ provider }, "late")).toBe(0);
    const stored = await client.query("select embedding::text from patient_embeddings");
    expect(stored.rows).toEqual([{ embedding: vector }]);
    await expect.poll(() => reserved(around)).toBe(0);
  });
});

describeNative("Several processes on one queue share the work", "needs a server of its own", () => {
  test.each([1, 2, 4, 8])(
    "%i processes on one queue send each text once, and share the work",
    { timeout: 180_000 },
    async (processes) => {
      const around = await prepare({ EMBED_BATCH_SIZE: "8", EMBED_MAX_CONCURRENCY: "1" });
      const { client, provider } = around;
      const texts = 200 * processes;
      await Promise.all(
        Array.from({ length: processes }, (_, i) =>
          startProcess(around, { OPENAI_HEADERS: JSON.stringify({ "x-process": String(i) }) }),
        ),
      );
      const before = provider.requests.length;
      // The provider takes most of the time, so that a process that wakes late still gets its share.
      provider.latencyMs = 200;
      await client.query(
        "insert into patient_embeddings select n, 'text ' || n % $1::int from generate_series(1, 3 * $1::int) n order by hashint8(n)",
        [texts],
      );
      await expect
        .poll(async () => (await client.query("select from autoembed.embedding_queue")).rowCount, {
          timeout: 90_000,
        })
        .toBe(0);

      const requests = provider.requests.slice(before);
      const sentTexts = requests.flatMap((request) => request.texts);
      expect(new Set(sentTexts).size).toBe(texts);
      expect(sentTexts).toHaveLength(texts);
      expect(await wrongRows(client)).toEqual([]);
      for (let i = 0; i < processes; i++) {
        const own = requests.filter((request) => request.headers["x-process"] === String(i));
        const share = (own.flatMap((request) => request.texts).length / texts) * processes;
        expect(share).toBeGreaterThan(LEAST_SHARE);
        expect(share).toBeLessThan(LARGEST_SHARE);
      }
    },
  );
});

function sent({ provider }: Pick<Listening, "provider">, text: string): number {
  return provider.requests.flatMap((request) => request.texts).filter((other) => other === text).length;
}

async function reserved({ client }: Listening): Promise<number> {
  return (await client.query("select from autoembed.embedding_reservation")).rowCount ?? 0;
}

test("Vectors that the server does not accept in time are not paid for again", async () => {
  const { client, provider, listen } = await prepare();
  await client.query(`create or replace function too_slow() returns trigger language plpgsql as $$
    begin raise exception 'canceling statement due to statement timeout' using errcode = 'query_canceled'; end $$;
    create trigger too_slow before update of embedding on patient_embeddings for each row execute function too_slow()`);
  const listener = await listen();
  try {
    const troubled: string[] = [];
    listener.events.on("source_failing", ({ problem }) => troubled.push(problem));
    await client.query("insert into patient_embeddings values (1, 'asthma')");
    await expect.poll(() => troubled.length).toBeGreaterThan(2);
    expect(provider.requests.flatMap(({ texts }) => texts).filter((text) => text === "asthma")).toHaveLength(
      1,
    );
  } finally {
    await client.query("drop trigger too_slow on patient_embeddings");
  }
  await listener.whenDrained();
  expect(await wrongRows(client)).toEqual([]);
});

/** What the ledger calls the model that the stand-in provider serves. */
function modelOf({ url }: Listening["provider"]): string {
  return `llm_api/text-embedding-3-small@${String(DIMENSIONS)} ${url}/v1/embeddings`;
}
