import { expect, onTestFinished, test, vi } from "vitest";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { NAME, notOfTheNewModel, prepareChange, vectorColumns } from "../support/changing-model.ts";
import { runCommand } from "../support/command.ts";
import { wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 120_000 });

const AS_IT_IS: WatchOptions = { table: NAME, text: "context_text" };

test("A source whose model is changing cannot be watched with other options, and with the same options only before the switch", async () => {
  const { client, db, config, begin, change } = await prepareChange(5);
  const another = () => watch(db, config, { ...AS_IT_IS, text: "upper(context_text)" });
  await begin();
  await expect(another()).rejects.toThrow(/the model of patient_embeddings is being changed/);
  await expect(watch(db, config, { ...AS_IT_IS, model: "a-third" })).rejects.toThrow(/is being changed/);
  await watch(db, config, AS_IT_IS);
  await change({ model: null });
  expect(await notOfTheNewModel(client)).toEqual([]);
  await expect(another()).rejects.toThrow(/is being changed/);
  // These options name no model, so that the environment's vectors would mix with the new ones.
  await expect(watch(db, config, AS_IT_IS)).rejects.toThrow(/is being changed/);
  expect(await notOfTheNewModel(client)).toEqual([]);
});

test("A source whose model is changing is unwatched together with the change, and the change alone cannot be unwatched", async () => {
  const { client, db, config, begin } = await prepareChange(5);
  await begin();
  await client.query("update patient_embeddings set context_text = context_text || '!'");
  await expect(unwatch(db, `${NAME}@next`)).rejects.toThrow(/belongs to a model change/);
  await unwatch(db, NAME);
  onTestFinished(async () => {
    await client.query("alter table patient_embeddings drop embedding_next");
    await watch(db, config, AS_IT_IS);
  });
  const { rows } = await client.query(
    `select (select count(*)::int from autoembed.embedding_source) as sources, (select count(*)::int from autoembed.embedding_queue) as queued,
      (select count(*)::int from pg_trigger where tgrelid = 'patient_embeddings'::regclass) as triggers`,
  );
  expect(rows).toEqual([{ sources: 0, queued: 0, triggers: 0 }]);
});

test("A change of the model can be cancelled although the source's text column was renamed", async () => {
  const { client, db, config, environment, begin, listener } = await prepareChange(5);
  await begin();
  await client.query("alter table patient_embeddings rename context_text to words");
  onTestFinished(async () => {
    await client.query("alter table patient_embeddings rename words to context_text");
    await watch(db, config, AS_IT_IS);
  });
  const cancel = runCommand(["remodel", NAME, "--cancel"], environment);
  expect({ code: await cancel.exited, stderr: cancel.stderr() }).toEqual({ code: 0, stderr: "" });
  expect(await vectorColumns(client)).toHaveLength(1);
  await watch(db, config, { ...AS_IT_IS, text: "words" });
  expect((await readModelChange(db, NAME)).state).toBe("none");
  await client.query("update patient_embeddings set words = 'new words' where patient_id = 1");
  await listener.whenDrained();
  await client.query("alter table patient_embeddings rename words to context_text");
  try {
    expect(await wrongRows(client)).toEqual([]);
  } finally {
    await client.query("alter table patient_embeddings rename context_text to words");
  }
});
