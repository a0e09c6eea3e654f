import { expect, test } from "vitest";
import { prepare } from "../support/listening.ts";

test("A row whose request waits for another try when the listener stops counts as left pending, and as no failure", async () => {
  const { client, listen, provider } = await prepare({
    EMBED_BACKOFF_MS: "60000",
    EMBED_SHUTDOWN_MS: "60000",
  });
  const listener = await listen();
  const problems: string[] = [];
  listener.events.on("source_failing", ({ problem }) => problems.push(problem));
  provider.always(503);
  await client.query("insert into patient_embeddings values (1, 'in a pause')");
  await expect.poll(() => provider.requests.some(({ texts }) => texts.includes("in a pause"))).toBe(true);
  expect(await listener.stop()).toBe(1);
  expect(problems.filter((problem) => problem.includes("stopping"))).toEqual([]);
  expect((await client.query("select owner from autoembed.embedding_queue")).rows).toEqual([{ owner: null }]);
});
