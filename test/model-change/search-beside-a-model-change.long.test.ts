import { expect, onTestFinished, test, vi } from "vitest";
import { createSearch } from "../../src/search/create-search.ts";
import { NAME, prepareChange } from "../support/changing-model.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { rollBack } from "../../src/model-change/switch.ts";

vi.setConfig({ testTimeout: 120_000 });

test("A search that names no source finds the only one from the first second of its model change to the last", async () => {
  const { begin, change, config, db } = await prepareChange(5);
  const found = async (source?: string) => {
    const search = createSearch({ config });
    onTestFinished(() => search.close());
    return (await search.search("text 5", { source })).hits[0]?.key;
  };
  await begin();
  expect([await found(), await found(`${NAME}@next`)]).toEqual(["5", "5"]);
  await change({ model: null });
  expect([await found(), await found(`${NAME}@previous`)]).toEqual(["5", "5"]);
  const switched = await readModelChange(db, NAME);
  if (switched.state !== "switched") throw new Error(switched.state);
  await rollBack(db, switched.live, switched.previous);
  expect(await found()).toBe("5");
});

test("Several sources are offered without the second one of a model change", async () => {
  const { begin, client, config } = await prepareChange(1);
  await client.query(`create schema beside; create table beside.notes (id int primary key, body text, embedding vector(8));
    select autoembed.watch('beside.notes', 'body')`);
  onTestFinished(async () => {
    await client.query("select autoembed.unwatch('beside.notes'); drop schema beside cascade");
  });
  await begin();
  const search = createSearch({ config });
  onTestFinished(() => search.close());
  await expect(search.search("text 1")).rejects.toMatchObject({
    remedy: `Name one: ${NAME}, beside.notes.`,
  });
});
