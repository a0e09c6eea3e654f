import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { prepare } from "../support/listening.ts";

async function makeListener() {
  const { client, database, environment } = await prepare();
  return { client, listener: createListener({ ...readConfig(environment), DATABASE_URL: database.url }) };
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

test.each([0, 5, 20, 60])(
  "The start of a listener that is stopped meanwhile, after %i ms, ends without an error, and leaves nothing",
  async (milliseconds) => {
    const { client, listener } = await makeListener();
    const started = listener.start();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    const stopped = listener.stop();
    await expect(started).resolves.toBeUndefined();
    await stopped;
    expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
  },
);
