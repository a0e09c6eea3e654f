import { expect, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";

describeNative("A text that changes in flight ends right", "needs two sessions at a time", () => {
  test("A text that changes in flight never keeps its old vector, and the user's update does not wait for the call", async () => {
    const { client, provider, listen } = await prepare();
    const listener = await listen();
    provider.latencyMs = 3_000;
    await client.query("insert into patient_embeddings values (1, 'before')");
    const call = () => provider.requests.find(({ texts }) => texts.includes("before"));
    await expect.poll(call).toBeDefined();

    await client.query("update patient_embeddings set context_text = 'after' where patient_id = 1");
    expect(call()?.status).toBe(0); // not answered yet
    provider.latencyMs = 0;
    await listener.whenDrained();

    expect(await wrongRows(client)).toEqual([]);
  });

  test("A text that changes back and forth in flight ends with the right vector", async () => {
    const { client, provider, listen } = await prepare();
    const listener = await listen();
    provider.latencyMs = 200;
    for (const text of ["a", "b", "a", "c", "a"]) {
      // The event may come before the insert's own answer.
      const claimed = new Promise((resolve) => listener.events.once("claimed", resolve));
      await client.query(
        "insert into patient_embeddings values (1, $1) on conflict (patient_id) do update set context_text = excluded.context_text",
        [text],
      );
      await claimed;
    }
    await listener.whenDrained();

    expect(await wrongRows(client)).toEqual([]);
  });

  test("A row that is deleted in flight does not come back", async () => {
    const { client, provider, listen } = await prepare();
    const listener = await listen();
    provider.latencyMs = 1_000;
    await client.query("insert into patient_embeddings values (1, 'gone soon')");
    await expect.poll(() => provider.requests.some(({ texts }) => texts.includes("gone soon"))).toBe(true);

    await client.query("delete from patient_embeddings where patient_id = 1");
    await listener.whenDrained();

    expect((await client.query("select * from patient_embeddings")).rows).toEqual([]);
  });
});
