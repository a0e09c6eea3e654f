import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { session } from "../support/roles.ts";

async function makeListener() {
  const { client, database, environment } = await prepare();
  const listener = createListener({ ...readConfig(environment), DATABASE_URL: database.url });
  return { client, listener, url: database.url };
}

test("A listener that was stopped before it was started refuses to start, and says what to do", async () => {
  const { client, listener } = await makeListener();
  expect(await listener.stop()).toBe(0);
  await expect(listener.start()).rejects.toMatchObject({
    name: "SetupError",
    message: "This listener was stopped, and does not start again.",
    remedy: expect.stringContaining("createListener") as string,
  });
  expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
});

test("The start of a listener that is stopped at once ends without an error, and leaves nothing", async () => {
  const { client, listener } = await makeListener();
  const started = listener.start();
  const stopped = listener.stop();
  await expect(started).resolves.toBeUndefined();
  await stopped;
  expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
});

describeNative("The start of a listener that is stopped meanwhile", "needs several sessions", () => {
  test.each(["embedding_source", "embedding_listener", "embedding_model"])(
    "ends without an error, and leaves nothing, where it waits for %s",
    async (table) => {
      const { client, listener, url } = await makeListener();
      const holder = await session(url);
      await holder.query(`begin; lock table autoembed.${table} in access exclusive mode`);
      const started = listener.start();
      const waiting =
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
      await expect.poll(async () => (await client.query(waiting)).rowCount).toBeGreaterThan(0);
      const stopped = listener.stop();
      await holder.query("rollback");
      await expect(started).resolves.toBeUndefined();
      await stopped;
      expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
    },
  );
});
