import { expect, onTestFinished, test, vi } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const ROWS = 1_500;

describeNative("Batches that are cancelled", "needs several sessions", () => {
  test("--cancel cancels them at the provider, writes what they have embedded, deletes the files, and the rest waits unpaid", async () => {
    const server = await BatchServer.start(DIMENSIONS);
    onTestFinished(() => server.close());
    const { client, environment, listen } = await prepare({
      OPENAI_BASE_URL: server.url,
      EMBED_BATCH_API_TEXTS: "600",
    });
    await client.query("alter table patient_embeddings disable trigger user");
    await client.query(
      "insert into patient_embeddings select n, 'note ' || n from generate_series(1, $1) n",
      [ROWS],
    );
    await client.query("alter table patient_embeddings enable trigger user");
    const count = async (query: string): Promise<number> =>
      (await client.query<{ count: number }>(`select count(*)::int from ${query}`)).rows[0]?.count ?? NaN;
    // Two files are full before all texts of a page are in one: what is left of it waits for them.
    server.isHeld = true;
    const listener = await listen();
    const begun = runCommand(["backfill", "--batch"], environment);
    await expect
      .poll(() => count("autoembed.embedding_batch where state = 'submitted'"), { timeout: 60_000 })
      .toBe(2);
    begun.process.kill("SIGINT");
    expect(await begun.exited, begun.stderr()).toBe(1);
    expect(server.batches.map(({ status }) => status)).toEqual(["in_progress", "in_progress"]);

    const cancel = runCommand(["backfill", "--batch", "--cancel", "--json"], environment);
    expect(await cancel.exited, cancel.stderr()).toBe(0);
    expect(server.batches.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    const embedded = await count("patient_embeddings where embedding is not null");
    expect(embedded).toBe(server.counts.batched);
    expect(embedded).toBeGreaterThan(ROWS / 3);
    expect(JSON.parse(cancel.stdout())).toEqual({ batches: 2, done: embedded, left: 0 });
    for (const table of ["batch", "page", "backfill"])
      expect(await count(`autoembed.embedding_${table}`)).toBe(0);
    expect(server.files.size).toBe(0);
    await listener.whenDrained();
    expect(server.counts.live).toBe(0);

    const rest = runCommand(["backfill"], environment);
    expect(await rest.exited, rest.stderr()).toBe(0);
    expect(await wrongRows(client)).toEqual([]);
    expect(server.paidTwice).toEqual([]);
    const again = runCommand(["backfill", "--batch", "--cancel"], environment);
    expect(await again.exited, again.stderr()).toBe(0);
    expect(again.stdout()).toContain("0 batches cancelled");
  });
});

test("--cancel next to what would send texts is refused", async () => {
  const { environment } = await prepare();
  for (const others of [[], ["--batch", "--all"], ["--batch", "--dry-run"]]) {
    const command = runCommand(["backfill", "--cancel", ...others], environment);
    expect(await command.exited, command.stderr()).toBe(2);
    expect(command.stderr()).toContain("backfill -- --batch --cancel");
  }
});
