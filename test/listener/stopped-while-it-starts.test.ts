import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

describeNative("A starting listener stops at the first signal", "needs several sessions", () => {
  test.each([
    ["SIGTERM", "autoembed.embedding_source"],
    ["SIGINT", "autoembed.embedding_source"],
    ["SIGTERM", "autoembed.embedding_listener"],
    ["SIGTERM", "autoembed.embedding_spending"],
  ] as const)(
    "A listener that gets %s while its start waits for %s exits with 0, logs that it stopped, and leaves nothing",
    async (signal, table) => {
      const { client, database, environment } = await prepare();
      const holder = new pg.Client(database.url);
      await holder.connect();
      onTestFinished(() => holder.end());
      await holder.query(`begin; lock table ${table} in access exclusive mode`);
      const command = runCommand(["start"], {
        ...environment,
        EMBED_LOG_LEVEL: "info",
        EMBED_SHUTDOWN_MS: "500",
        EMBED_DAILY_TOKEN_BUDGET: "1000000",
      });
      await expect
        .poll(
          async () =>
            (
              await client.query(
                "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and replace(query, '\"', '') like $1",
                [`%${table}%`],
              )
            ).rowCount,
        )
        .toBeGreaterThan(0);
      command.process.kill(signal);
      await expect.poll(() => command.stderr()).toContain("stopping");
      await holder.query("rollback");
      expect(await command.exited).toBe(0);
      expect(command.stderr()).toContain("stopped");
      expect(command.stderr()).not.toContain("listening for changes");
      expect(
        (await client.query("select from autoembed.embedding_queue where owner is not null")).rowCount,
      ).toBe(0);
      expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
    },
  );
});
