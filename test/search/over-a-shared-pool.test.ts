import type { Socket } from "node:net";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 30_000 });

const SOURCE = "patient_embeddings";

async function prepareSearch(options: pg.PoolConfig = {}) {
  const { database, client, environment } = await prepare();
  const pool = new pg.Pool({ connectionString: database.url, ...options });
  pool.on("error", () => undefined);
  onTestFinished(() => pool.end());
  const search = createSearch({ config: readConfig(environment), pool });
  onTestFinished(() => search.close());
  return { client, pool, search: () => search.search("chest pain", { source: SOURCE }) };
}

/** As a restart of Postgres, a failover or a timeout of the session does. */
function loseConnection(client: unknown): void {
  const { connection } = client as { readonly connection: { readonly stream: Socket } };
  connection.stream.destroy(new Error("the connection was lost"));
}

describeNative(
  "A connection that is lost",
  "the embedded Postgres has one session, which is busy with what was lost",
  () => {
    test("A connection of the application's pool that is lost in a search fails that search, and neither the process nor the next one", async () => {
      const { pool, search } = await prepareSearch();
      await search();
      pool.once("acquire", (client: unknown) => {
        setImmediate(loseConnection, client);
      });
      await expect(search()).rejects.toThrow();
      expect((await search()).rankedBy).toBe("meaning");
    });
  },
);

test("A connection that gives no reply within the pool's query_timeout is closed, and delays no later query", async () => {
  const { client, pool, search } = await prepareSearch({ query_timeout: 500, idleTimeoutMillis: 0, max: 1 });
  await client.query("begin; lock table autoembed.embedding_source in access exclusive mode");
  await expect(search()).rejects.toThrow("Query read timeout");
  await expect.poll(() => pool.totalCount).toBe(0);
  await client.query("rollback");
});
