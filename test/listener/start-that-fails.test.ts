import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

describeNative("A listener whose start fails", "needs two sessions at a time", () => {
  test("claims nothing from then on, and is not registered", async () => {
    const { client, database, environment, provider } = await prepare();
    const { DATABASE_URL, ...config } = readConfig(environment);
    if (DATABASE_URL === undefined) throw new Error("a listener needs a database");
    const listener = createListener({ ...config, DATABASE_URL });
    onTestFinished(async () => {
      await listener.stop();
    });
    // A listener frees the pages of others that are gone when it starts: it waits for this lock for a second.
    const user = new pg.Client(database.url);
    await user.connect();
    onTestFinished(() => user.end());
    await user.query("begin; lock table autoembed.embedding_page");

    await expect(listener.start()).rejects.toMatchObject({ code: "55P03" });

    await expect
      .poll(async () => (await client.query("select from autoembed.embedding_listener")).rowCount, {
        timeout: 20_000,
      })
      .toBe(0);
    await user.query("rollback");
    await client.query("insert into patient_embeddings values (1, 'a note')");
    await listener.stop();
    expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(1);
    expect(provider.counts.inputs).toBeLessThanOrEqual(1);
  });
});
