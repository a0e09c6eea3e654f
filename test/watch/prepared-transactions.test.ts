import { expect, test } from "vitest";
import { prepare } from "../support/listening.ts";

test("A session that sets autoembed.notify to off sends no notification, so that its transactions can be prepared, and queues all the same", async () => {
  const { client } = await prepare();
  const heard: string[] = [];
  client.on("notification", ({ payload }) => heard.push(payload ?? ""));
  await client.query("listen autoembed");
  await client.query("set autoembed.notify = off");
  await client.query("begin isolation level repeatable read");
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
  await client.query("update patient_embeddings set context_text = 'zwei' where patient_id = 2");
  await client.query("update patient_embeddings set patient_id = 3 where patient_id = 1");
  await client.query("commit");
  await client.query("reset autoembed.notify");
  await client.query(
    "begin isolation level repeatable read; insert into patient_embeddings values (9, 'nine')",
  );
  await client.query("commit");
  await expect.poll(() => heard).toEqual(["1"]);
  const { rows } = await client.query<{ key: string }>(
    "select key from autoembed.embedding_queue order by key",
  );
  expect(rows.map(({ key }) => key)).toEqual(["1", "2", "3", "9"]);
});
