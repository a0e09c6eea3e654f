import { setImmediate } from "node:timers/promises";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

describeNative("A listener that stops", "needs several sessions", () => {
  test("A source whose start ends since its listener stops is reported as no problem", async () => {
    const { client, environment, database } = await prepare({ EMBED_SHUTDOWN_MS: "500" });
    const holder = new pg.Client(database.url);
    await holder.connect();
    onTestFinished(() => holder.end());
    await holder.query("begin; lock table autoembed.embedding_model in access exclusive mode");
    const listener = createListener({ ...readConfig(environment), DATABASE_URL: database.url });
    const problems: string[] = [];
    listener.events.on("source_failing", ({ problem }) => problems.push(problem));
    const started = listener.start();
    const ended = started.catch(() => undefined);
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(async () => (await client.query(waiting)).rowCount).toBeGreaterThan(0);
    await listener.stop();
    await holder.query("rollback");
    await ended;
    await setImmediate();
    expect(problems).toEqual([]);
  });
});
