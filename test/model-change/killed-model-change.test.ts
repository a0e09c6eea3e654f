import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { NAME, notOfTheNewModel, prepareChange, vectorColumns } from "../support/changing-model.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS } from "../support/listening.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Prepares `remodel` as a command in its own process, without another listener. */
async function prepareKilling(rows: number) {
  const around = await prepareChange(rows);
  const { client, environment, theirs, listener } = around;
  await listener.stop();
  await client.query("create index on patient_embeddings using hnsw (embedding vector_cosine_ops)");
  const settings = { ...environment, EMBED_BATCH_SIZE: "16" };
  const model = ["--model", "their-model", "--base-url", theirs.openAiUrl];
  const texts = () =>
    theirs.requests.flatMap(({ texts }) => texts).filter((text) => text.startsWith("text "));
  const run = (...args: string[]) => runCommand(["remodel", NAME, ...args], settings);
  return {
    ...around,
    begin: () => run(...model),
    run,
    goOn: async (...args: string[]) => {
      const command = run(...args);
      return { code: await command.exited, stderr: command.stderr() };
    },
    /** All texts that the new provider was sent, repeated texts too. */
    texts,
    /** Expects the finished change: every vector is the new model's, with one column and one valid index. */
    ended: async () => {
      expect(await notOfTheNewModel(client)).toEqual([]);
      expect(await vectorColumns(client)).toHaveLength(1);
      const { rows } = await client.query<{ valid: boolean }>(
        `select i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
        where i.indrelid = 'patient_embeddings'::regclass and m.amname = 'hnsw'`,
      );
      expect(rows).toEqual([{ valid: true }]);
      // The other tests of this file expect the table as it was.
      await client.query(`alter table patient_embeddings drop embedding, add embedding vector(${DIMENSIONS});
        update autoembed.embedding_source set backend = null, model = null, dimensions = null, settings = '{}'`);
    },
  };
}

describeNative("A killed change of the model goes on", "needs a server that outlives it", () => {
  test("A change of the model that is killed while it embeds goes on where it stopped, and pays again only for what was in flight", async () => {
    const { theirs, begin, goOn, texts, ended } = await prepareKilling(400);
    theirs.latencyMs = 200;
    const first = begin();
    await expect.poll(() => texts().length).toBeGreaterThan(100);
    first.process.kill("SIGKILL");
    await first.exited;
    theirs.latencyMs = 0;

    expect(await goOn()).toMatchObject({ code: 0 });
    expect(await goOn("--finish")).toMatchObject({ code: 0 });
    await ended();
    expect(texts().length).toBeLessThan(400 + 3 * 16);
  });

  test("A change of the model that is killed while it builds the index waits for that build, starts no second one and embeds nothing again", async () => {
    const { client, begin, run, goOn, texts, theirs, ended, database } = await prepareKilling(50);
    // Long enough for the old transaction to begin before the build.
    theirs.latencyMs = 1_000;
    const first = begin();
    await expect
      .poll(() => first.stderr(), { timeout: 30_000 })
      .toContain("embedding patient_embeddings@next");
    // An old transaction keeps the build from finishing.
    const old = new pg.Client(database.url);
    await old.connect();
    onTestFinished(() => old.end());
    await old.query("begin isolation level repeatable read; select from autoembed.embedding_source");
    const builds = async () =>
      (await client.query("select from pg_stat_progress_create_index where datname = current_database()"))
        .rowCount;
    await expect.poll(builds, { timeout: 30_000 }).toBe(1);
    first.process.kill("SIGKILL");
    await first.exited;
    const second = run();
    await expect.poll(() => second.stderr(), { timeout: 30_000 }).toContain("building the index");
    expect(await builds()).toBe(1);
    await old.query("commit");
    expect(await second.exited).toBe(0);
    expect(await goOn("--finish")).toMatchObject({ code: 0 });
    await ended();
    expect(texts()).toHaveLength(50);
  });

  test("A change of the model that is killed after the switch keeps the old vectors until --finish", async () => {
    const { client, db, listen, begin, goOn, texts, ended } = await prepareKilling(20);
    const first = begin();
    await expect
      .poll(async () => (await readModelChange(db, NAME)).state, { timeout: 30_000, interval: 5 })
      .toBe("switched");
    first.process.kill("SIGKILL");
    await first.exited;
    await client.query(
      "update patient_embeddings set context_text = 'text that came since' where patient_id = 1",
    );

    const again = await goOn("--model", "their-model");
    expect(again).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("has already switched") as string,
    });
    expect(await goOn("--finish")).toMatchObject({ code: 0 });
    await (await listen()).whenDrained();
    expect(texts()).toHaveLength(21);
    await ended();
  });
});
