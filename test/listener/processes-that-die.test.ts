import { expect, onTestFinished, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { startHalfOpenProxy, through } from "../support/half-open-proxy.ts";
import { prepare, wrongRows, type Listening } from "../support/listening.ts";
import { startProcess } from "../support/start-process.ts";

vi.setConfig({ testTimeout: 120_000 });

describeNative("Processes that die lose no row", "needs a server that outlives them", () => {
  test("A killed listener's claims are taken over by another listener within five seconds", async () => {
    const around = await prepare();
    const { client, provider } = around;
    const first = await startProcess(around, { EMBEDDING_TIMEOUT: "60000" });
    provider.always("hang");
    await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 20) n");
    await claimed(around, 20);
    provider.behave();
    await startProcess(around);

    first.process.kill("SIGKILL");
    await first.exited;
    const killed = performance.now();
    await expect.poll(() => pending(around)).toBe(0);

    // Five seconds, and room for a busy machine.
    expect(performance.now() - killed).toBeLessThan(10_000);
    expect(await wrongRows(client)).toEqual([]);
  });

  test("A backfill that is killed half-way goes on where it stopped, and pays again only for what was in flight", async () => {
    const around = await prepare({ EMBED_BATCH_SIZE: "16" });
    const { client, provider, environment } = around;
    await client.query("alter table patient_embeddings disable trigger user");
    await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 400) n");
    await client.query("alter table patient_embeddings enable trigger user");
    provider.latencyMs = 60;
    const first = runCommand(["backfill"], environment);
    await expect.poll(() => provider.counts.inputs).toBeGreaterThan(100);
    first.process.kill("SIGKILL");
    await first.exited;

    const second = runCommand(["backfill"], environment);
    expect(await second.exited).toBe(0);
    expect(await wrongRows(client)).toEqual([]);
    // Two probes, and the batch or two whose answers the killed process did not receive.
    expect(provider.counts.inputs).toBeLessThan(400 + 2 + 3 * 16);
  });

  test("The first signal releases what is in flight by the deadline and exits with 0, and a second signal exits with 1 at once", async () => {
    const around = await prepare({ EMBED_SHUTDOWN_MS: "500", EMBEDDING_TIMEOUT: "60000" });
    const { client, provider } = around;
    const polite = await startProcess(around);
    provider.always("hang");
    await client.query("insert into patient_embeddings values (1, 'in flight')");
    await claimed(around, 1);
    polite.process.kill("SIGTERM");
    expect(await polite.exited).toBe(0);
    expect(polite.stderr()).toContain('"rows_left_pending":1');
    const { rows } = await client.query("select owner from autoembed.embedding_queue");
    expect(rows).toEqual([{ owner: null }]);
    expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);

    provider.behave();
    const hasty = await startProcess(around, { EMBED_SHUTDOWN_MS: "60000" });
    await expect.poll(() => pending(around)).toBe(0);
    provider.always("hang");
    await client.query("update patient_embeddings set context_text = 'in flight again'");
    await claimed(around, 1);
    hasty.process.kill("SIGINT");
    await expect.poll(() => hasty.stderr()).toContain("a second signal ends the process at once");
    hasty.process.kill("SIGTERM");
    expect(await hasty.exited).toBe(1);
  });

  test("A shutdown ends in time although the database answers no more", async () => {
    const around = await prepare({ EMBED_SHUTDOWN_MS: "500" });
    const proxy = await startHalfOpenProxy(around.database.url);
    onTestFinished(() => proxy.close());
    const listener = await startProcess(around, { DATABASE_URL: through(proxy, around.database.url) });
    proxy.freeze();
    listener.process.kill("SIGTERM");
    const asked = performance.now();
    expect(await listener.exited).toBe(0);
    expect(performance.now() - asked).toBeLessThan(20_000);
  });

  test("A LISTEN connection that died silently is noticed, and a new one hears notifications again", async () => {
    const around = await prepare({ EMBED_POLL_MS: "600000" });
    const proxy = await startHalfOpenProxy(around.database.url);
    onTestFinished(() => proxy.close());
    const listener = await around.listen({ LISTEN_DATABASE_URL: through(proxy, around.database.url) });
    const deaf = new Promise((resolve) => listener.events.once("listen_lost", resolve));
    const frozen = performance.now();
    proxy.freeze();
    await around.client.query("insert into patient_embeddings values (1, 'unheard of')");
    await deaf;
    expect(performance.now() - frozen).toBeLessThan(30_000);
    const again = new Promise<void>((resolve) => listener.events.once("listening", resolve));
    proxy.cut();
    await again;
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(around.client)).toEqual([]);
  });

  test("Four listeners at once embed every row, and no text twice", async () => {
    const around = await prepare({ EMBED_BATCH_SIZE: "16" });
    const { client, provider } = around;
    provider.latencyMs = 30;
    for (let i = 0; i < 4; i++) await around.listen();
    const before = provider.counts.inputs;
    await client.query(
      "insert into patient_embeddings select n, 'distinct ' || n from generate_series(1, 1000) n",
    );
    await expect.poll(() => pending(around)).toBe(0);
    expect(provider.counts.inputs - before).toBe(1000);
    expect(await wrongRows(client)).toEqual([]);
  });
});

async function claimed({ client }: Listening, rows: number): Promise<void> {
  await expect
    .poll(
      async () =>
        (await client.query("select from autoembed.embedding_queue where owner is not null")).rowCount,
    )
    .toBe(rows);
}

async function pending({ client }: Listening): Promise<number> {
  return (await client.query("select from autoembed.embedding_queue")).rowCount ?? 0;
}
