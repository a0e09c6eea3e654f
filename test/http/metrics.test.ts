import { expect, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

/** Prometheus' text as `name{labels}` → value. */
function parse(text: string): Record<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(" ")),
      Number(line.slice(line.lastIndexOf(" ") + 1)),
    ]),
  );
}

test("Metrics report what is pending, what was done, what failed and how long it took", async () => {
  const { client, provider, listen, database } = await prepare();
  const listener = await listen();
  const http = await serve(listener, database.url);
  provider.poison = (text) => text === "unspeakable";
  await client.query(
    "insert into patient_embeddings values (1, 'asthma'), (2, 'migraine'), (3, 'unspeakable')",
  );
  await listener.whenDrained();
  await client.query("insert into patient_embeddings values (4, 'asthma')");
  await listener.whenDrained();

  const source = `{source="patient_embeddings"}`;
  const read = async () => {
    const answer = await fetch(new URL("/metrics", http.url));
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    return parse(await answer.text());
  };
  // What was done is counted a moment after the database has it.
  await expect.poll(read, { interval: 200 }).toMatchObject({
    pg_autoembed_up: 1,
    [`pg_autoembed_pending_rows${source}`]: 0,
    [`pg_autoembed_in_flight_rows${source}`]: 0,
    [`pg_autoembed_oldest_pending_seconds${source}`]: 0,
    [`pg_autoembed_failed_rows${source}`]: 1,
    [`pg_autoembed_embedded_rows_total${source}`]: 2,
    [`pg_autoembed_cached_rows_total${source}`]: 1,
    [`pg_autoembed_failures_total{source="patient_embeddings",kind="refused"}`]: 1,
    [`pg_autoembed_freshness_seconds_count${source}`]: 3,
  });
  const metrics = await read();
  const requests = Object.entries(metrics).filter(([name]) => name.startsWith("pg_autoembed_requests_total"));
  expect(requests.find(([name]) => name.includes('outcome="row"'))?.[1]).toBeGreaterThan(0);
  expect(metrics[`pg_autoembed_tokens_total${source}`]).toBeGreaterThan(0);
  expect(metrics[`pg_autoembed_write_seconds_count${source}`]).toBeGreaterThan(0);
  expect(Object.keys(metrics).some((name) => name.includes('state="closed"'))).toBe(true);
});

test("A listener that heard notifications before its metrics were served is reported as listening", async () => {
  const { listen, database } = await prepare();
  const listener = await listen();
  await expect.poll(() => listener.isListening).toBe(true);
  const http = await serve(listener, database.url);
  const listening = async () =>
    parse(await (await fetch(new URL("/metrics", http.url))).text())["pg_autoembed_listening"];
  expect(await listening()).toBe(1);
  await listener.stop();
  expect(await listening()).toBe(0);
});

test("When the database is away, readiness reports it and the process stays healthy", async () => {
  const { listen, database } = await prepare();
  const listener = await listen();
  const http = await serve(listener, database.url);
  const status = async (path: string) => (await fetch(new URL(path, http.url))).status;
  expect(await status("/readyz")).toBe(200);

  const away = await serve(listener, "postgres://nobody@127.0.0.1:1/nowhere");
  const of = async (path: string) => await fetch(new URL(path, away.url));
  expect((await of("/readyz")).status).toBe(503);
  expect((await of("/healthz")).status).toBe(200);
  expect((await of("/")).status).toBe(503);
  expect(await (await of("/metrics")).text()).toContain("pg_autoembed_up 0");
});

describeNative("Rows that take long to count delay no request", "needs several sessions at once", () => {
  test("Rows that take long to count delay neither the page, metrics and readiness nor the listener's stop", async () => {
    const { client, listen, database } = await prepare();
    await client.query(`drop table if exists slow_one, slow_two, slow_three;
      create or replace function slowly(body text) returns text language plpgsql stable as
        $$ begin perform pg_sleep(3600); return body; end $$`);
    for (const table of ["slow_one", "slow_two", "slow_three"]) {
      await client.query(`create table ${table} (id int primary key, body text, embedding vector(8));
        insert into ${table} values (1, 'asthma', '[1,2,3,4,5,6,7,8]')`);
      await client.query(`select autoembed.watch($1, 'public.slowly(body)')`, [table]);
    }
    const http = await serve(await listen(), database.url);
    const ask = async (path: string) => await (await fetch(new URL(path, http.url))).text();

    expect(await ask("/")).toContain("counting");
    expect(await ask("/readyz")).toBe("ready\n");
    expect(await ask("/metrics")).toContain("pg_autoembed_up 1");
    await http.close();
    const counting =
      "select from pg_stat_activity where datname = current_database() and query like '%slowly%' and state = 'active' and pid <> pg_backend_pid()";
    await expect.poll(async () => (await client.query(counting)).rowCount).toBe(0);
  });
});
