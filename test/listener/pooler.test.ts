import { expect, onTestFinished, test, vi } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { runCommand } from "../support/command.ts";
import { startPooler } from "../support/pooler.ts";

vi.setConfig({ testTimeout: 180_000 });

async function prepareBehindAPooler() {
  const around = await prepare();
  const pooler = await startPooler(around.database.url);
  onTestFinished(() => {
    pooler.close();
  });
  return {
    ...around,
    environment: {
      ...around.environment,
      DATABASE_URL: pooler.url,
      LISTEN_DATABASE_URL: around.database.url,
    },
  };
}

describeNative("All works behind a pooler without session settings", "needs several sessions", () => {
  test("A listener behind a pooler works, and hears of changes over its direct connection", async () => {
    const { client, environment, listen } = await prepareBehindAPooler();
    // The poll comes too late to find anything.
    const listener = await listen({ ...environment, EMBED_POLL_MS: "600000" });
    await client.query("insert into patient_embeddings values (1, 'heard of')");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  });

  test.each([
    ["migrate"],
    ["backfill"],
    ["status"],
    ["sources"],
    ["search", "anything"],
    ["verify"],
    ["cache", "prune"],
    ["index", "patient_embeddings", "--now"],
    ["watch", "patient_embeddings", "--text", "context_text"],
    ["remodel", "patient_embeddings", "--model", "other", "--dry-run"],
  ])("`npm run %s` works behind a pooler", async (...args) => {
    const { client, environment } = await prepareBehindAPooler();
    await client.query("insert into patient_embeddings values (1, 'embedded')");
    const command = runCommand(args, environment);
    expect({ code: await command.exited, stderr: command.stderr() }).toMatchObject({ code: 0 });
  });
});
