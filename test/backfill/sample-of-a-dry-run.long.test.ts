import { expect, test, vi } from "vitest";
import { DIMENSIONS, wrongRows } from "../support/listening.ts";
import { runCommand } from "../support/command.ts";
import { prepareDryRun } from "../support/dry-running.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A sample sends so many different texts, keeps their vectors, and a backfill after it sends only the others", async () => {
  const { client, insert, dryRun, backfill, sent } = await prepareDryRun({ EMBED_BATCH_SIZE: "20" });
  await insert("'text ' || (1000 + i % 120)", 240);
  const report = await dryRun({ sample: 50 });

  const sample = sent();
  expect(sample).toHaveLength(50);
  expect(new Set(sample).size).toBe(50);
  expect(report).toMatchObject({ rows: 240, equalTexts: 120, cachedTexts: 50, texts: 70, tokens: 210 });
  expect(report.sample).toEqual({
    kept: 50,
    refused: 0,
    refusal: null,
    tokens: 150,
    dimensions: DIMENSIONS,
  });
  expect(report.basis.tokens).toBe("3.00 characters per token, as charged for 450 characters of this source");
  expect(report.seconds).toBeGreaterThan(0);
  const { rows } = await client.query("select tokens::int, requests::int from autoembed.embedding_usage");
  expect(rows).toEqual([{ tokens: 150, requests: 3 }]);

  expect(await backfill()).toMatchObject({ done: 240, pending: 0, failed: 0 });
  expect(sent()).toHaveLength(120);
  expect(new Set(sent()).size).toBe(120);
  expect(await wrongRows(client)).toEqual([]);
});

test("A sample leaves out the texts that a listener is embedding now", async () => {
  const { client, insert, dryRun, provider, sent } = await prepareDryRun();
  await insert("'text ' || i", 3);
  await client.query(`insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
    values (sha256('text 2'), 'llm_api/text-embedding-3-small@${DIMENSIONS} ${provider.url}/v1/embeddings', 1, 1)`);
  expect(await dryRun({ sample: 50 })).toMatchObject({ cachedTexts: 2, texts: 1 });
  expect(sent().toSorted()).toEqual(["text 1", "text 3"]);
});

test("A provider that fails during a sample ends it with the reason, and what was paid for is kept", async () => {
  const { client, provider, insert, dryRun, backfill, sent } = await prepareDryRun({
    EMBED_BATCH_SIZE: "10",
  });
  await insert("'text ' || (1000 + i)", 60);
  // The probe and two requests are answered.
  provider.poison = () => provider.counts.requests > 3;
  provider.poisonStatus = 503;
  await expect(dryRun({ sample: 50 })).rejects.toMatchObject({
    message: expect.stringMatching(/^The sample ended after 20 of 50 texts: .*503/) as string,
    remedy: "What was paid for is kept, and a backfill uses it. Run the command again for the rest.",
  });
  const { rows } = await client.query("select tokens::int from autoembed.embedding_usage");
  expect(rows).toEqual([{ tokens: 60 }]);

  provider.poison = undefined;
  const failed = sent().length;
  expect(await dryRun({ sample: 50 })).toMatchObject({ cachedTexts: 60, sample: { kept: 40 } });
  expect(await backfill()).toMatchObject({ done: 60, cached: 60, tokens: 0 });
  expect(sent()).toHaveLength(failed + 40);
});

test("A sample reports texts that the provider refuses, keeps the others, and ends where the day's tokens are used up", async () => {
  const { client, provider, insert, dryRun } = await prepareDryRun({ EMBED_DAILY_TOKEN_BUDGET: "1000" });
  await insert("'text ' || (1000 + i)", 30);
  provider.poison = (text) => text === "text 1007";
  const { sample } = await dryRun({ sample: 50 });
  expect(sample).toMatchObject({ kept: 29, refused: 1, refusal: expect.stringContaining("400") as string });
  expect(sample?.refusal).not.toContain("1007");

  const requests = provider.counts.requests;
  await client.query("update autoembed.embedding_spending set tokens = 1000");
  await expect(dryRun({ sample: 50 })).rejects.toThrow(
    "The sample ended after 0 of 1 texts: the day's 1000 tokens are used up",
  );
  expect(provider.counts.requests).toBe(requests + 1); // the probe
});

test("A sample whose vectors would not be kept until the backfill is refused, and nothing is sent", async () => {
  const { insert, environment, provider } = await prepareDryRun({ EMBED_CACHE_DAYS: "0" });
  await insert("'text ' || i", 3);
  const command = runCommand(["backfill", "--dry-run", "--sample", "2"], environment);
  expect(await command.exited).toBe(2);
  expect(command.stderr()).toContain("EMBED_CACHE_DAYS=0 keeps none");
  expect(provider.counts.requests).toBe(0);
});
