import type pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { describeNative } from "../support/database.ts";
import { openEncoded } from "../support/encoded-database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

const REFUSAL = { status: 400, body: { error: { message: "odd \u0000 input \u2603 was refused" } } };
const OUTAGE = { status: 503, body: { error: { message: "down \u0000 for \u2603 a while" } } };

describeNative("A provider's reason that the database cannot store", "needs databases of its own", () => {
  test.each(["UTF8", "LATIN1"])(
    "A reason with NUL and a snowman fails its row once, in a database with the encoding %s",
    async (encoding) => {
      const { provider, environment } = await prepare();
      const { client, url } = await openEncoded(encoding, DIMENSIONS);
      const config = readConfig({ ...environment, DATABASE_URL: url, EMBED_BATCH_SIZE: "1" });
      const listener = createListener({ ...config, DATABASE_URL: url });
      onTestFinished(async () => {
        await listener.stop();
      });
      await listener.start();
      provider.poison = (text) => text.includes("refused one");
      provider.next(REFUSAL);
      await client.query("insert into patient_embeddings values (1, 'refused one')");
      await expect.poll(() => failed(client), { timeout: 20_000 }).toHaveLength(1);
      expect(provider.requests.filter(({ texts }) => texts.includes("refused one")).length).toBeLessThan(5);
      expect(await failed(client)).toEqual([
        { key: "1", attempts: 1, last_error: expect.any(String) as string },
      ]);
    },
  );

  test.each(["UTF8", "LATIN1"])(
    "A listener whose provider is down for a reason with NUL and a snowman stays registered, in a database with the encoding %s",
    async (encoding) => {
      const { provider, environment } = await prepare();
      const { client, url } = await openEncoded(encoding, DIMENSIONS);
      const config = readConfig({ ...environment, DATABASE_URL: url, EMBED_MAX_RETRIES: "0" });
      const listener = createListener({ ...config, DATABASE_URL: url });
      onTestFinished(async () => {
        await listener.stop();
      });
      await listener.start();
      provider.always(OUTAGE);
      await client.query("insert into patient_embeddings values (1, 'one')");
      const states = async () =>
        (
          await client.query<{ id: number; reason: string | null; fresh: boolean }>(
            `select id, state -> 'providers' -> 0 ->> 'reason' as reason, seen_at > now() - interval '3 s' as fresh
             from autoembed.embedding_listener`,
          )
        ).rows;
      await expect
        .poll(states, { timeout: 20_000 })
        .toMatchObject([{ reason: expect.stringContaining("answered 503: down") as string, fresh: true }]);
    },
  );
});

async function failed(client: pg.Client) {
  const { rows } = await client.query(
    "select key, attempts, last_error from autoembed.embedding_queue where failed_at is not null",
  );
  return rows as unknown[];
}
