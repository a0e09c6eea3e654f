import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type pg from "pg";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";

/** Long enough for several rounds of what would be claimed, paid for and lost. */
const SEVERAL_ROUNDS_MS = 4_000;
const SETTINGS = { EMBED_BATCH_SIZE: "4", EMBED_MAX_CONCURRENCY: "2" };
const ROWS = 200;
/** Four requests in flight or ready of four texts each, and what a claim had read already. */
const MOST_SENT = 100;

test("Vectors that neither their table nor the cache takes are held and not paid for again, nothing more is sent, and they are written once that is possible", async () => {
  const { client, provider, listen } = await prepare(SETTINGS);
  const listener = await listen();
  const problems: string[] = [];
  listener.events.on("source_failing", ({ problem }) => problems.push(problem));
  let recovered = 0;
  listener.events.on("source_recovered", () => recovered++);
  await rename(client, "embedding", "renamed");
  onTestFinished(() => rename(client, "renamed", "embedding").catch(() => undefined));
  await client.query("insert into patient_embeddings select n, 'held ' || n from generate_series(1, $1) n", [
    ROWS,
  ]);
  await expect.poll(() => problems.length, { timeout: 30_000 }).toBeGreaterThan(0);
  await pause(SEVERAL_ROUNDS_MS);
  const held = sent({ provider });
  expect(held.length).toBeLessThan(MOST_SENT);
  expect(new Set(held).size).toBe(held.length);
  expect(problems).toEqual([
    expect.stringMatching(/42703.*: vectors are held until it takes them/) as unknown,
  ]);

  await rename(client, "renamed", "embedding");
  await listener.whenDrained(AbortSignal.timeout(60_000));
  expect(await wrongRows(client)).toEqual([]);
  expect(sent({ provider })).toHaveLength(ROWS);
  expect(recovered).toBe(1);
});

test("While the vectors of one table are held, another table gets its own, and a listener that stops releases what it holds", async () => {
  const { client, provider, listen } = await prepare({ ...SETTINGS, EMBED_SHUTDOWN_MS: "1000" });
  await client.query(`drop table if exists bystanders cascade;
    create table bystanders (patient_id int primary key, context_text text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('bystanders', 'context_text');
    create or replace function refuse_it() returns trigger language plpgsql as
      $$ begin raise exception using errcode = 'insufficient_privilege'; end $$;
    create trigger refuse_it before update of embedding on patient_embeddings for each row execute function refuse_it()`);
  const { rows } = await client.query<{ id: number }>(
    "select id from autoembed.embedding_source where name = 'patient_embeddings'",
  );
  await client.query(`create trigger refuse_it before insert on autoembed.embedding_cache for each row
    when (new.source_id = ${rows[0]?.id}) execute function refuse_it()`);
  onTestFinished(async () => {
    await client.query("drop function refuse_it() cascade");
  });
  const listener = await listen();
  await client.query("insert into patient_embeddings select n, 'held ' || n from generate_series(1, 50) n");
  await expect.poll(() => sent({ provider }).length, { timeout: 30_000 }).toBeGreaterThan(0);
  await client.query("insert into bystanders select n, 'one ' || n from generate_series(1, 50) n");
  await expect.poll(() => wrongRows(client, "bystanders"), { timeout: 30_000 }).toEqual([]);

  expect(await listener.stop()).toBeGreaterThan(0);
  const { rows: claimed } = await client.query(
    "select from autoembed.embedding_queue where owner is not null or failed_at is not null",
  );
  expect(claimed).toEqual([]);
});

async function rename(client: pg.Client, from: string, to: string): Promise<void> {
  await client.query(`alter table autoembed.embedding_cache rename column ${from} to ${to}`);
}

function sent({ provider }: Pick<Listening, "provider">): string[] {
  return provider.requests.flatMap(({ texts }) => texts).filter((text) => text.startsWith("held"));
}
