import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { pruneCache } from "../../src/queue/prune-cache.ts";
import { prepare } from "../support/listening.ts";

async function cached(client: {
  query: (text: string) => Promise<{ rowCount: number | null }>;
}): Promise<number> {
  return (await client.query("select from autoembed.embedding_cache")).rowCount ?? 0;
}

test("Prune removes vectors that are older than asked for, and keeps those of pending rows", async () => {
  const { client, database, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'first'), (2, 'second'), (3, 'third')");
  await listener.whenDrained();
  await client.query("update patient_embeddings set context_text = context_text || ', changed'");
  await listener.whenDrained();
  await listener.stop();
  expect(await cached(client)).toBe(3);
  await client.query(
    "update autoembed.embedding_cache set created_at = now() - interval '100 days' where key <> '1'",
  );
  await client.query("update patient_embeddings set context_text = 'third' where patient_id = 3");

  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  expect(await pruneCache(db, 90)).toBe(1);
  const { rows } = await client.query("select key from autoembed.embedding_cache order by key");
  expect(rows).toEqual([{ key: "1" }, { key: "3" }]);
  expect(await pruneCache(db, 0)).toBe(1);
  expect(await cached(client)).toBe(1);
});

test("Prune removes a cached vector that a row has too, whatever its age", async () => {
  const { client, database, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'there')");
  await listener.whenDrained();
  await client.query("update patient_embeddings set context_text = 'and back'");
  await listener.whenDrained();
  await client.query("update patient_embeddings set context_text = 'there'");
  await listener.whenDrained();
  await listener.stop();
  expect(await cached(client)).toBe(2);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  expect(await pruneCache(db, 90)).toBe(1);
  const { rows } = await client.query(
    "select text_hash = sha256('and back') as former from autoembed.embedding_cache",
  );
  expect(rows).toEqual([{ former: true }]);
});

test("A listener removes what was cached longer than EMBED_CACHE_DAYS ago when it starts", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'old')");
  await listener.whenDrained();
  await client.query("update patient_embeddings set context_text = 'new'");
  await listener.whenDrained();
  await listener.stop();
  await client.query("update autoembed.embedding_cache set created_at = now() - interval '8 days'");
  await listen({ EMBED_CACHE_DAYS: "9" });
  expect(await cached(client)).toBe(1);
  await listen({ EMBED_CACHE_DAYS: "7" });
  await expect.poll(() => cached(client)).toBe(0);
});
