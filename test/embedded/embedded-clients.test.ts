import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbedded } from "../../src/embedded/start-embedded.ts";
import { emptySnapshot } from "../support/embedded-database.ts";
import { numberOf, withClient } from "../support/with-client.ts";

let postgres: EmbeddedPostgres;

beforeAll(async () => {
  postgres = await startEmbedded({ dataDirectory: undefined, snapshot: await emptySnapshot() });
});
afterAll(() => postgres.close());

test("Transactions of 20 clients at once neither lose nor mix updates", async () => {
  await withClient(postgres.url, (client) =>
    client.query("create table accounts as select id, 100 as balance from generate_series(1, 10) id"),
  );
  const moves = 25;
  await Promise.all(
    Array.from({ length: 20 }, (_, seed) =>
      withClient(postgres.url, async (client) => {
        for (let move = 0; move < moves; move++) {
          const [from, to] = [1 + ((seed + move) % 10), 1 + ((seed * 7 + move * 3) % 10)];
          await client.query("begin");
          const { rows } = await client.query<{ balance: number }>(
            "select balance from accounts where id = $1",
            [from],
          );
          await client.query("update accounts set balance = $2 where id = $1", [
            from,
            (rows[0]?.balance ?? 0) - 1,
          ]);
          await client.query("update accounts set balance = balance + 1 where id = $1", [to]);
          await client.query(move % 5 === 4 ? "rollback" : "commit");
        }
      }),
    ),
  );
  await withClient(postgres.url, async (client) => {
    expect(await numberOf(client, "select sum(balance)::int n from accounts")).toBe(1000);
  });
});

test("Large binary parameters of concurrent clients arrive in their own rows", async () => {
  await withClient(postgres.url, (client) =>
    client.query("create table blobs (id int primary key, body bytea)"),
  );
  await Promise.all(
    Array.from({ length: 16 }, (_, worker) =>
      withClient(postgres.url, async (client) => {
        for (let i = 0; i < 10; i++) {
          const id = worker * 10 + i;
          await client.query("insert into blobs values ($1, $2)", [id, Buffer.alloc(200_000, id)]);
        }
      }),
    ),
  );
  await withClient(postgres.url, async (client) => {
    const { rows } = await client.query<{ id: number; body: Buffer }>("select * from blobs order by id");
    expect(rows).toHaveLength(160);
    for (const { id, body } of rows) expect(body.equals(Buffer.alloc(200_000, id)), `row ${id}`).toBe(true);
  });
});

test("Prepared statements of the same name are separate for each client", async () => {
  await withClient(postgres.url, (one) =>
    withClient(postgres.url, async (two) => {
      const ask = (client: pg.Client, text: string) =>
        client.query<{ answer: string }>({ name: "ask", text });
      for (let round = 0; round < 3; round++) {
        expect((await ask(one, "select 'one' as answer")).rows).toEqual([{ answer: "one" }]);
        expect((await ask(two, "select 'two' as answer")).rows).toEqual([{ answer: "two" }]);
      }
      await two.query("discard all");
      expect((await ask(one, "select 'one' as answer")).rows).toEqual([{ answer: "one" }]);
    }),
  );
});

test("A client's settings change no other client's", async () => {
  await withClient(postgres.url, (one) =>
    withClient(postgres.url, async (two) => {
      const settingsOf = async (client: pg.Client) =>
        (
          await client.query<object>(
            "select current_setting('search_path') path, current_setting('work_mem') mem",
          )
        ).rows[0];
      const before = await settingsOf(two);
      await one.query("set search_path to pg_catalog; set work_mem = '5MB'");
      await two.query("set work_mem = '6MB'");
      expect(await settingsOf(one)).toEqual({ path: "pg_catalog", mem: "5MB" });
      expect(await settingsOf(two)).toEqual({ path: "public", mem: "6MB" });
      expect(await settingsOf(one)).toEqual({ path: "pg_catalog", mem: "5MB" });
      await one.end();
      await two.query("reset all");
      expect(await settingsOf(two)).toEqual(before);
    }),
  );
});

test("An error in a client's transaction disturbs no other client", async () => {
  await withClient(postgres.url, (one) =>
    withClient(postgres.url, async (two) => {
      await one.query("begin");
      await expect(one.query("select 1/0")).rejects.toThrow("division by zero");
      const waits = two.query("select 1 as n");
      await expect(one.query("select 1")).rejects.toThrow("current transaction is aborted");
      await one.query("rollback");
      expect((await waits).rows).toEqual([{ n: 1 }]);
    }),
  );
});

test("A statement that crashes the engine costs connections, and no rows", async () => {
  await withClient(postgres.url, async (client) => {
    await client.query("create table kept as select 1 as id");
    await client.query(
      "create function endless(i int) returns int language plpgsql as 'begin return endless(i + 1); end'",
    );
  });
  const victim = new pg.Client(postgres.url);
  const lost = new Promise<Error>((resolve) => victim.on("error", resolve));
  await victim.connect();
  await expect(victim.query("select endless(1)")).rejects.toThrow();
  await lost;
  await withClient(postgres.url, async (client) => {
    expect(await numberOf(client, "select count(*) as n from kept")).toBe(1);
  });
});

test("A parameter and a result of 60 MB arrive whole", async () => {
  await withClient(postgres.url, async (client) => {
    const body = Buffer.alloc(60_000_000, "vector");
    const { rows } = await client.query<{ length: number; body: Buffer }>({
      text: "select length($1::bytea) length, $1::bytea body",
      values: [body],
    });
    expect(rows[0]?.length).toBe(body.length);
    expect(rows[0]?.body.equals(body)).toBe(true);
  });
});
