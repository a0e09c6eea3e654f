import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { failPaged } from "../../src/queue/fail.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { openMigrated } from "../support/migrated.ts";

test("A row of a page is failed for the text that was read, and not for one that it has by then", async () => {
  const { client, db } = await openMigrated();
  await client.query(
    "alter table patient_embeddings disable trigger user; insert into patient_embeddings values (1, 'new')",
  );
  const [source] = (await loadSources(db)).usable;
  if (source === undefined) throw new Error("there is no source");
  const failedFor = async (text: string): Promise<string[]> => {
    const textHash = createHash("sha256").update(text).digest("hex");
    return await failPaged(db, source, [{ ticket: "-1", key: "1", page: "1", textHash }], "refused");
  };
  expect(await failedFor("old")).toEqual([]);
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
  expect(await failedFor("new")).toEqual(["-1"]);
  const { rows } = await client.query(
    "select key, failed_at is not null as has_failed, attempts, last_error from autoembed.embedding_queue",
  );
  expect(rows).toEqual([{ key: "1", has_failed: true, attempts: 1, last_error: "refused" }]);
});
