import { expect, test, vi } from "vitest";
import { beginBackfills } from "../support/begin-backfills.ts";
import { prepare, wrongRows, type Listening } from "../support/listening.ts";
import { withClient } from "../support/with-client.ts";

async function withLockedRow(on: Listening, patient: number, work: () => Promise<void>): Promise<void> {
  await withClient(on.database.url, async (user) => {
    await user.query("begin");
    await user.query("select from patient_embeddings where patient_id = $1 for update", [patient]);
    await work();
    await user.query("rollback");
  });
}

async function cached({ client }: Listening): Promise<unknown[]> {
  return (
    await client.query<{ key: string }>(
      "select key from autoembed.embedding_cache where text_hash = sha256('shared')",
    )
  ).rows;
}

// Two listeners that write at once are as this one and a row that it cannot write yet: neither sees the other's write.
test("Of two rows whose equal texts change together, the first that is written caches the vector of that text", async () => {
  const on = await prepare();
  const first = await on.listen();
  await on.client.query("insert into patient_embeddings values (1, 'shared'), (2, 'shared')");
  await first.whenDrained();
  await first.stop();
  await on.client.query("update patient_embeddings set context_text = 'changed ' || patient_id");
  await withLockedRow(on, 2, async () => {
    await on.listen();
    await vi.waitFor(async () => {
      expect(await wrongRows(on.client)).toEqual(["2"]);
    }, 10_000);
    expect(await cached(on)).toEqual([{ key: "1" }]);
  });
  await vi.waitFor(async () => {
    expect(await wrongRows(on.client)).toEqual([]);
  }, 10_000);
  expect(await cached(on)).toEqual([{ key: "1" }]);
});

test("Of two rows with equal texts that get another model's vectors, the first that is written caches the old one", async () => {
  const on = await prepare();
  const first = await on.listen();
  await on.client.query("insert into patient_embeddings values (1, 'shared'), (2, 'shared')");
  await first.whenDrained();
  await first.stop();
  const second = await on.listen({ OPENAI_EMBED_MODEL: "text-embedding-3-large", EMBEDDING_DIM: "8" });
  const ofNew = async (): Promise<{ key: string }[]> => {
    const { rows } = await on.client.query<{ key: string }>(`
      select l.key from autoembed.embedding_ledger l join autoembed.embedding_model m on m.id = l.model_id
      where m.name like 'llm_api/text-embedding-3-large%'`);
    return rows;
  };
  await withLockedRow(on, 2, async () => {
    await beginBackfills(on.database.url);
    await vi.waitFor(async () => {
      expect(await ofNew()).toEqual([{ key: "1" }]);
    }, 10_000);
    expect(await cached(on)).toEqual([{ key: "1" }]);
  });
  await vi.waitFor(async () => {
    expect(await ofNew()).toHaveLength(2);
  }, 20_000);
  expect(await cached(on)).toEqual([{ key: "1" }]);
  await second.stop();
});
