import { expect, test } from "vitest";
import { prepare, wrongRows } from "./support/listening.ts";

const BATCH = 10;

test("cache hits among the rows leave no request half empty but the last", async () => {
  const { client, provider, listen } = await prepare({
    EMBED_BATCH_SIZE: String(BATCH),
    EMBED_MAX_CONCURRENCY: "4",
  });
  await client.query("insert into patient_embeddings values (1000, 'known')");
  const listener = await listen();
  await listener.settled(AbortSignal.timeout(10_000));
  await listener.stop();
  await client.query(`insert into patient_embeddings
    select n, case when n % 3 = 0 then 'known' else 'note ' || n end from generate_series(1, 100) n`);

  const before = provider.requests.length;
  await (await listen()).settled(AbortSignal.timeout(10_000));

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
