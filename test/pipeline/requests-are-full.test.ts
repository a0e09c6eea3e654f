import { expect, test } from "vitest";
import { ClaimSize } from "../../src/pipeline/claim-size.ts";
import { ConcurrencyLimit } from "../../src/timing/concurrency-limit.ts";
import type { SourceContext } from "../../src/pipeline/source-context.ts";
import type { ClaimedRow } from "../../src/queue/claim-state.ts";
import { prepare, wrongRows } from "../support/listening.ts";

const BATCH = 10;

test("Cache hits among the rows leave only the last request partly filled", async () => {
  const { client, provider, listen } = await prepare({
    EMBED_BATCH_SIZE: String(BATCH),
    EMBED_MAX_CONCURRENCY: "4",
  });
  await client.query("insert into patient_embeddings values (1000, 'known')");
  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await listener.stop();
  await client.query(`insert into patient_embeddings
    select n, case when n % 3 = 0 then 'known' else 'note ' || n end from generate_series(1, 100) n`);

  const before = provider.requests.length;
  await (await listen()).whenDrained(AbortSignal.timeout(30_000));

  const sizes = provider.requests
    .slice(before)
    .map(({ texts }) => texts.filter((text) => text.startsWith("note")).length)
    .filter((texts) => texts > 0);
  const unknown = 67;
  expect(sizes.toSorted((a, b) => b - a)).toEqual([
    ...Array.from({ length: 6 }, () => BATCH),
    unknown % BATCH,
  ]);
  expect(await wrongRows(client)).toEqual([]);
});

test("A claim fills the free request slots, takes most rows where all are cache hits, and few where texts are long", async () => {
  const lanes = new ConcurrencyLimit(4);
  const limits = { characters: 100_000 };
  const size = new ClaimSize({ provider: { limits }, settings: { batchSize: 64 } } as SourceContext);
  const rows = (count: number, text: string | null): ClaimedRow[] =>
    Array.from({ length: count }, () => ({ text }) as ClaimedRow);

  expect(size.next(lanes)).toBe(4 * 64);
  await lanes.start(() => new Promise<void>(() => undefined));
  expect(size.next(lanes)).toBe(3 * 64);
  size.learn(rows(192, null));
  expect(size.next(lanes)).toBe(512);
  size.learn(rows(64, "x".repeat(1_000)));
  expect(size.next(lanes)).toBe(3 * 64);
  // One request takes four of them.
  size.learn(rows(192, "x".repeat(25_000)));
  expect(size.next(lanes)).toBe(64);
});
