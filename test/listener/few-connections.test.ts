import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { expect, test, vi } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows, type Listening } from "../support/listening.ts";
import { runCommand } from "../support/command.ts";
import { serve } from "../support/serving.ts";
import { grant, nameIn, role } from "../support/roles.ts";

vi.setConfig({ testTimeout: 180_000 });

const ROWS = 2_000;

/** A listener's role, whose `connection limit` counts as it counts for no superuser. */
async function prepareRole(
  limit: number,
): Promise<Listening & { readonly name: string; readonly url: string }> {
  const around = await prepare();
  const url = await role(around.client, around.database.url, "listener");
  const name = nameIn(url);
  await grant(around.client, name);
  await limitTo(around.client, name, limit);
  return { ...around, name, url };
}

async function limitTo(client: pg.Client, name: string, limit: number): Promise<void> {
  await client.query(`alter role ${name} connection limit ${limit}`);
}

async function insertRows(client: pg.Client): Promise<void> {
  await client.query(
    `insert into patient_embeddings select n, 'row of few connections ' || n from generate_series(1, ${ROWS}) n`,
  );
}

/** Texts that the provider was asked for and answered more than once. */
function repeats({ provider }: Pick<Listening, "provider">): number {
  const texts = provider.requests.filter(({ status }) => status === 200).flatMap((request) => request.texts);
  const own = texts.filter((text) => text.startsWith("row of"));
  return own.length - new Set(own).size;
}

async function pending(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    "select count(*)::int as count from autoembed.embedding_queue",
  );
  return rows[0]?.count ?? -1;
}

describeNative("With few connections", "needs several sessions", () => {
  test.each([4, 5, 6])(
    "a listener whose role may open %i embeds every row, and none twice",
    async (limit) => {
      const { client, listen, provider, url } = await prepareRole(limit);
      await insertRows(client);
      await listen({ DATABASE_URL: url });
      await expect.poll(() => pending(client), { timeout: 60_000 }).toBe(0);
      expect(await wrongRows(client)).toEqual([]);
      expect(repeats({ provider })).toBe(0);
    },
  );

  test("`npm start` says how many connections it needs when its role may have fewer, and works", async () => {
    const { client, environment, provider, url } = await prepareRole(5);
    await insertRows(client);
    const command = runCommand(["start"], { ...environment, DATABASE_URL: url, EMBED_LOG_LEVEL: "info" });
    await expect.poll(() => pending(client), { timeout: 60_000 }).toBe(0);
    expect(command.stderr()).toContain(
      `the role ${nameIn(url)} may have 5 connections, and this listener uses no more than these, of 11`,
    );
    expect(command.stderr()).not.toContain("53300");
    expect(repeats({ provider })).toBe(0);
  });

  test("a listener opens no more connections than EMBED_MAX_CONNECTIONS", async () => {
    const { client, listen, url, name } = await prepareRole(-1);
    await insertRows(client);
    const settings = { EMBED_MAX_CONNECTIONS: "7", EMBED_HTTP_PORT: "1" };
    const listener = await listen({ DATABASE_URL: url, ...settings });
    const http = await serve(listener, url, settings);
    let most = 0;
    while ((await pending(client)) > 0) {
      await Promise.all([fetch(http.url), fetch(new URL("/readyz", http.url))]);
      const { rowCount } = await client.query("select from pg_stat_activity where usename = $1", [name]);
      most = Math.max(most, rowCount ?? 0);
    }
    expect(most).toBeGreaterThan(3);
    expect(most).toBeLessThanOrEqual(7);
  });

  test("`/readyz` is 503 and `up` is 0 while the listener gets no connection, and the page says why", async () => {
    const { client, database, listen, name, url } = await prepareRole(-1);
    const listener = await listen({ DATABASE_URL: url });
    // The page has a role of its own here, so that it gets connections.
    const http = await serve(listener, database.url);
    const readyz = async () => {
      const answer = await fetch(new URL("/readyz", http.url));
      return `${answer.status} ${(await answer.text()).trim()}`;
    };
    await expect.poll(readyz).toBe("200 ready");
    await limitTo(client, name, 0);
    await client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [name]);
    await expect.poll(readyz).toBe("503 the database has no free connection for this listener");
    const up = async () => {
      const metrics = await (await fetch(new URL("/metrics", http.url))).text();
      return /^pg_autoembed_up \d$/m.exec(metrics)?.[0];
    };
    await expect.poll(up).toBe("pg_autoembed_up 0");
    await limitTo(client, name, -1);
    await expect.poll(readyz).toBe("200 ready");
  });

  test("no vector that was paid for is lost while the server has no free connection, and none is paid for twice", async () => {
    const { client, listen, name, provider, url } = await prepareRole(-1);
    provider.latencyMs = 100;
    await listen({ DATABASE_URL: url, EMBED_MAX_CONCURRENCY: "4" });
    await insertRows(client);
    await expect.poll(() => provider.requests.length).toBeGreaterThan(4);
    await limitTo(client, name, 0);
    // In the middle of its work every session but those of the heartbeat is ended, and no new one is let in.
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and query !~ 'update "autoembed"."embedding_listener"'`,
      [name],
    );
    await delay(10_000);
    await limitTo(client, name, -1);
    await expect.poll(() => pending(client), { timeout: 60_000 }).toBe(0);
    expect(await wrongRows(client)).toEqual([]);
    expect(repeats({ provider })).toBe(0);
  });
});
