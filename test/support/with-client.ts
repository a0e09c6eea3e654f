import pg from "pg";

/** Runs `work` with a new client, which is closed even when `work` throws. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The column `n` of the first row, as a number. */
export async function numberOf(client: pg.Client, query: string): Promise<number> {
  const { rows } = await client.query<{ n: string | number }>(query);
  return Number(rows[0]?.n);
}
