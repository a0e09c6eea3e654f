import { expect, test, vi } from "vitest";
import { finishModelChange } from "../../src/model-change/finish.ts";
import { previousOf } from "../../src/sources/model-change-names.ts";
import { NAME, prepareChange } from "../support/changing-model.ts";

vi.setConfig({ testTimeout: 180_000 });

test("After a model change is finished, the new indexes have the names of the old ones", async () => {
  const { client, db, change } = await prepareChange(20);
  await client.query(`create index on patient_embeddings using hnsw (embedding vector_cosine_ops);
    create index "For Adults" on patient_embeddings using hnsw (embedding vector_l2_ops) where patient_id > 10`);
  const indexes = async () => {
    const { rows } = await client.query<{ index: string }>(
      "select pg_get_indexdef(indexrelid) as index from pg_index where indrelid = 'patient_embeddings'::regclass and not indisprimary order by 1",
    );
    return rows.map(({ index }) => index);
  };
  const before = await indexes();
  await change();
  expect(await indexes()).toHaveLength(4);

  await finishModelChange(db, NAME, previousOf(NAME));
  expect(await indexes()).toEqual(before);
});
