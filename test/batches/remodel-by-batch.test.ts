import { expect, onTestFinished, test, vi } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import {
  NAME,
  NEW_DIMENSIONS,
  notOfTheNewModel,
  prepareChange,
  vectorColumns,
} from "../support/changing-model.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const ROWS = 1_500;

describeNative("A change of the model by batch", "needs a server that outlives it", () => {
  test("Killed while the batches are at the provider and while their vectors are written, it ends with every row by the new model, each text paid for once", async () => {
    const { client, environment, listener, provider } = await prepareChange(ROWS);
    await listener.stop();
    const server = await BatchServer.start(NEW_DIMENSIONS);
    onTestFinished(() => server.close());
    server.isHeld = true;
    const remodel = (...args: string[]) =>
      runCommand(["remodel", NAME, ...args], { ...environment, EMBED_BATCH_API_TEXTS: "500" });
    const killWhen = async (
      running: ReturnType<typeof remodel>,
      isTime: () => Promise<boolean>,
    ): Promise<void> => {
      await expect.poll(isTime, { timeout: 60_000, interval: 20 }).toBe(true);
      running.process.kill("SIGKILL");
      await running.exited;
    };
    const isTrue = async (condition: string): Promise<boolean> =>
      (await client.query<{ is: boolean }>(`select ${condition} as is`)).rows[0]?.is === true;
    const submitted = "(select count(*) > 1 from autoembed.embedding_batch where state = 'submitted')";
    const asked = provider.requests.length;

    await killWhen(remodel("--model", "their-model", "--base-url", server.url, "--batch"), () =>
      isTrue(submitted),
    );
    server.isHeld = false;
    const written =
      "(select count(*) > 0 from autoembed.embedding_batch where embedded > 0 or state = 'cleaning')";
    await killWhen(remodel("--batch"), () => isTrue(written));

    const last = remodel("--batch");
    expect(await last.exited, last.stderr()).toBe(0);
    expect(last.stderr()).not.toContain("text 7");
    const finish = remodel("--finish");
    expect(await finish.exited, finish.stderr()).toBe(0);
    expect(await notOfTheNewModel(client)).toEqual([]);
    expect(await vectorColumns(client)).toHaveLength(1);
    expect(server.counts.batched).toBe(ROWS);
    expect(server.paidTwice).toEqual([]);
    expect(provider.requests.length - asked).toBeLessThan(5);
    // The other tests of this file expect the table as it was.
    await client.query(`alter table patient_embeddings drop embedding, add embedding vector(${DIMENSIONS});
      update autoembed.embedding_source set backend = null, model = null, dimensions = null, settings = '{}'`);
  });
});
