import { CompiledQuery } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect, PREPARED } from "../../src/database/connect.ts";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 60_000 });

describeNative("Many watched tables", "needs several sessions", () => {
  test("a session keeps no more than 200 statements, and those beyond work all the same", async () => {
    const { database } = await prepare();
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true, plans: "kept" });
    onTestFinished(() => db.destroy());
    const ask = async (i: number) =>
      (
        await db.executeQuery<{ sum: number }>(
          CompiledQuery.raw(`${PREPARED} select $1::int + ${i} as sum`, [1]),
        )
      ).rows;
    for (let i = 0; i < 230; i++) expect(await ask(i)).toEqual([{ sum: i + 1 }]);
    expect(await ask(3)).toEqual([{ sum: 4 }]);
    expect(await ask(229)).toEqual([{ sum: 230 }]);
    const { rows } = await db.executeQuery<{ kept: number }>(
      CompiledQuery.raw("select count(*)::int as kept from pg_prepared_statements"),
    );
    expect(rows).toEqual([{ kept: 200 }]);
  });

  test("the poll asks no source that has nothing to do, and finds a change that did not notify", async () => {
    const { client, listen } = await prepare();
    const listener = await listen({ EMBED_POLL_MS: "200" });
    await listener.whenDrained(AbortSignal.timeout(20_000));
    const drained = vi.fn();
    listener.events.on("drained", drained);
    // Five polls.
    await vi.waitFor(
      async () => {
        drained.mockClear();
        await client.query("select pg_sleep(1)");
        expect(drained).not.toHaveBeenCalled();
      },
      { timeout: 20_000 },
    );
    // As if a listener that is gone had said that it keeps looking: then triggers do not notify.
    await client.query("update autoembed.embedding_listener set idle = false");
    await client.query("insert into patient_embeddings values (1, 'not notified')");
    await listener.whenDrained(AbortSignal.timeout(20_000));
    expect(await wrongRows(client)).toEqual([]);
  });
});
