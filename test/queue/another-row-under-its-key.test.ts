import type pg from "pg";
import { expect, test, vi } from "vitest";
import { openPool } from "../../src/database/pools.ts";
import { erase } from "../../src/erase/erase.ts";
import { readConfig } from "../../src/config.ts";
import { describeNative } from "../support/database.ts";
import { beginBackfills } from "../support/begin-backfills.ts";
import { prepare, wrongRows, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 60_000 });

const REPLACE =
  "begin; delete from patient_embeddings where patient_id = 1; insert into patient_embeddings values (1, 'another person'); commit";
const SWAP = `update patient_embeddings set patient_id = -1 where patient_id = 1;
  update patient_embeddings set patient_id = 1 where patient_id = 2;
  update patient_embeddings set patient_id = 2 where patient_id = -1`;

/** Which of the texts have a vector in the cache. */
async function cached(client: pg.Client, texts: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>(
    `select distinct t as text from unnest($1::text[]) t
     join autoembed.embedding_cache e on e.text_hash = sha256(convert_to(t, 'UTF8')) order by 1`,
    [texts],
  );
  return rows.map(({ text }) => text);
}

/** Runs `change` while the provider has the text, and waits until its answer is dealt with, before that of any new text. */
async function whileEmbedding(
  { client, provider, listen }: Listening,
  text: string,
  begin: () => Promise<unknown>,
  change: () => Promise<unknown>,
): Promise<void> {
  const listener = await listen({ EMBED_MAX_CONCURRENCY: "2" });
  provider.latencyMs = 3_000;
  await begin();
  const asked = () => provider.requests.find(({ texts }) => texts.includes(text));
  await expect.poll(asked, { timeout: 20_000 }).toBeDefined();
  provider.latencyMs = 5_000;
  await change();
  expect(asked()?.status).toBe(0);
  await expect.poll(() => asked()?.status, { timeout: 20_000 }).toBe(200);
  await listener.whenDrained();
  await listener.stop();
  expect(await wrongRows(client)).toEqual([]);
}

describeNative(
  "A text whose row makes way for another while the provider has it",
  "needs two sessions",
  () => {
    test.each([
      ["is deleted, and another is inserted under its key", REPLACE, ["gout"]],
      ["swaps its key with another", SWAP, []],
      [
        "is truncated away",
        "truncate patient_embeddings; insert into patient_embeddings values (1, 'another person')",
        [],
      ],
    ])("is cached nowhere where it %s", async (_, change, onlyChanged) => {
      const on = await prepare();
      const insert = "insert into patient_embeddings values (1, 'asthma'), (2, 'gout')";
      await whileEmbedding(
        on,
        "asthma",
        () => on.client.query(insert),
        () => on.client.query(`${change}; update patient_embeddings set context_text = context_text || '!'`),
      );
      expect(await cached(on.client, ["asthma", "gout"])).toEqual(onlyChanged);
    });

    test("is cached nowhere where a backfill has read it", async () => {
      const on = await prepare();
      await on.client.query(`alter table patient_embeddings disable trigger user;
      insert into patient_embeddings values (1, 'asthma'); alter table patient_embeddings enable trigger user`);
      await whileEmbedding(
        on,
        "asthma",
        () => beginBackfills(on.database.url),
        () => on.client.query(REPLACE),
      );
      expect(await cached(on.client, ["asthma"])).toEqual([]);
    });

    test("is kept nowhere where the row is erased and keeps its text", async () => {
      const on = await prepare();
      const config = readConfig({ ...on.environment });
      const db = openPool("command", { ...config, DATABASE_URL: on.environment["DATABASE_URL"] ?? "" });
      const erased = { source: "patient_embeddings", keys: ["1"], keepsText: true, isDryRun: false };
      const listener = await on.listen();
      on.provider.latencyMs = 3_000;
      await on.client.query("insert into patient_embeddings values (1, 'asthma')");
      const asked = () => on.provider.requests.find(({ texts }) => texts.includes("asthma"));
      await expect.poll(asked).toBeDefined();
      expect((await erase(db, erased)).rows).toMatchObject([{ in_flight: false, removed: { queued: 1 } }]);
      await db.destroy();
      await expect.poll(() => asked()?.status, { timeout: 20_000 }).toBe(200);
      await listener.whenDrained();
      await listener.stop();
      expect(await cached(on.client, ["asthma"])).toEqual([]);
      const { rows } = await on.client.query("select embedding from patient_embeddings");
      expect(rows).toEqual([{ embedding: null }]);
    });

    test("is cached where the row is only changed, so that going back is free", async () => {
      const on = await prepare();
      await whileEmbedding(
        on,
        "asthma",
        () => on.client.query("insert into patient_embeddings values (1, 'asthma')"),
        async () => {
          on.provider.latencyMs = 3_000;
          await on.client.query("update patient_embeddings set context_text = 'gout'");
          await on.client.query("update patient_embeddings set context_text = 'severe gout'");
        },
      );
      expect(await cached(on.client, ["asthma"])).toEqual(["asthma"]);
    });
  },
);
