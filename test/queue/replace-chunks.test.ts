import { expect, test, vi } from "vitest";
import { replaceChunks } from "../../src/queue/replace-chunks.ts";
import { splitText } from "../../src/chunks/split-text.ts";
import { choose } from "../../src/sources/choose-sources.ts";
import { chunksOf, prepareChunkedDocuments, SPLIT } from "../support/chunked-documents.ts";
import { describeNative } from "../support/database.ts";
import { withClient } from "../support/with-client.ts";

vi.setConfig({ testTimeout: 180_000 });

describeNative("Chunks are replaced with care", "needs transactions that run at the same time", () => {
  test("Chunks are replaced neither for another text nor while a user holds one of them", async () => {
    const { client, database, watch, db } = await prepareChunkedDocuments();
    await watch();
    await client.query(`insert into app.documents values (1, 'one'); insert into app.documents_passages
      (id, chunk, start_char, end_char, passage) values (1, 1, 0, 3, 'two')`);
    const [chunkedSource] = (await choose(db, "app.documents")).chunked;
    const { rows } = await client.query<{ ticket: string; key: string; hash: Buffer }>(
      "select ticket, key, sha256('one') as hash from autoembed.embedding_queue where key = '1' and source_id = $1",
      [chunkedSource?.id],
    );
    const [queued] = rows;
    if (chunkedSource === undefined || queued === undefined) throw new Error("nothing is queued");
    const passages = splitText("one", SPLIT);
    const replace = (hash: Buffer) => replaceChunks(db, chunkedSource, queued, hash, passages);
    expect(await replace(Buffer.alloc(32))).toBeUndefined();
    await withClient(database.url, async (user) => {
      await user.query("begin; select from app.documents_passages for update");
      expect(await replace(queued.hash)).toBeUndefined();
      await user.query("commit");
    });
    expect(await chunksOf(client, 1)).toMatchObject([{ passage: "two" }]);
    expect(await replace(queued.hash)).toEqual({ fresh: 1, written: true });
    expect(await chunksOf(client, 1)).toMatchObject([{ passage: "one" }]);
  });
});
