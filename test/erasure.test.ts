import { expect, test } from "vitest";
import { pruneCache } from "../src/cache/prune-cache.ts";
import { connect } from "../src/database/connect.ts";
import { loadSources } from "../src/sources/load-sources.ts";
import { prepare } from "./support/listening.ts";

test("a deleted row leaves the queue at once, and prune removes the vectors that no row's text has", async () => {
  const { client, database, provider, listen } = await prepare();
  const listener = await listen();
  await client.query(
    "insert into patient_embeddings values (1, 'stays'), (2, 'goes'), (3, 'goes too, later')",
  );
  await listener.settled();
  await listener.stop();
  await client.query(
    "update embedding_cache set created_at = now() - interval '100 days' where text_hash = sha256('goes')",
  );
  await client.query("insert into patient_embeddings values (4, 'never embedded')");
  await client.query("delete from patient_embeddings where patient_id > 1");
  expect((await client.query("select from embedding_queue")).rowCount).toBe(0);

  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  try {
    const { usable } = await loadSources(db);
    expect(await pruneCache(db, usable, 90)).toBe(1);
    expect(await pruneCache(db, usable, 0)).toBe(1);
    expect(await pruneCache(db, usable, 0)).toBe(0);
  } finally {
    await db.destroy();
  }
  const { rows } = await client.query("select text_hash = sha256('stays') as stays from embedding_cache");
  expect(rows).toEqual([{ stays: true }]);

  const requests = provider.counts.inputs;
  await client.query("insert into patient_embeddings values (5, 'stays'), (6, 'goes')");
  await (await listen()).settled();
  expect(provider.requests.slice(-1)[0]?.texts).toEqual(["goes"]);
  expect(provider.counts.inputs).toBeGreaterThan(requests);
});
