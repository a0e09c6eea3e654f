import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbedded } from "../src/embedded/start-embedded.ts";

let postgres: EmbeddedPostgres;

beforeAll(async () => {
  postgres = await startEmbedded({ dataDirectory: undefined });
});
afterAll(() => postgres.close());

/** Runs `work` with a client of its own. */
async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(postgres.url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** One number from the first row. */
async function numberOf(client: pg.Client, query: string): Promise<number> {
  const { rows } = await client.query<{ n: string | number }>(query);
  return Number(rows[0]?.n);
}

test("transactions of 20 clients at once neither lose nor mix updates", async () => {
  await withClient((client) =>
    client.query("create table accounts as select id, 100 as balance from generate_series(1, 10) id"),
  );
  const moves = 25;
  await Promise.all(
    Array.from({ length: 20 }, (_, seed) =>
      withClient(async (client) => {
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
  await withClient(async (client) => {
    expect(await numberOf(client, "select sum(balance)::int n from accounts")).toBe(1000);
  });
});

test("large binary parameters of concurrent clients arrive in their own rows", async () => {
  await withClient((client) => client.query("create table blobs (id int primary key, body bytea)"));
  await Promise.all(
    Array.from({ length: 16 }, (_, worker) =>
      withClient(async (client) => {
        for (let i = 0; i < 10; i++) {
          const id = worker * 10 + i;
          await client.query("insert into blobs values ($1, $2)", [id, Buffer.alloc(200_000, id)]);
        }
      }),
    ),
  );
  await withClient(async (client) => {
    const { rows } = await client.query<{ id: number; body: Buffer }>("select * from blobs order by id");
    expect(rows).toHaveLength(160);
    for (const { id, body } of rows) expect(body.equals(Buffer.alloc(200_000, id)), `row ${id}`).toBe(true);
  });
});

test("a parameter and a result of 60 MB pass", async () => {
  await withClient(async (client) => {
    const body = Buffer.alloc(60_000_000, "vector");
    const { rows } = await client.query<{ length: number; body: Buffer }>({
      text: "select length($1::bytea) length, $1::bytea body",
      values: [body],
    });
    expect(rows[0]?.length).toBe(body.length);
    expect(rows[0]?.body.equals(body)).toBe(true);
  });
});
