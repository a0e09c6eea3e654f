import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { describeStatus } from "../../src/status/describe-status.ts";
import { prepare, wrongRows } from "../support/listening.ts";

const LONG = { EMBED_MAX_TEXT_CHARACTERS: "100" };
const insert = "insert into patient_embeddings values (1, repeat('long ', 1000)), (2, 'short')";

test("A text over the limit fails alone, with a reason that says what to do", async () => {
  const { client, listen } = await prepare(LONG);
  const listener = await listen();
  await client.query(insert);
  await listener.whenDrained();

  expect(await wrongRows(client)).toEqual(["1"]);
  const { rows } = await client.query<{ key: string; last_error: string }>(
    "select key, last_error from autoembed.embedding_queue",
  );
  expect(rows).toHaveLength(1);
  expect(rows[0]?.last_error).toContain("EMBED_ON_TOO_LONG=truncate");
});

test("With EMBED_ON_TOO_LONG=truncate the beginning of a long text is embedded, and status reports how many were cut", async () => {
  const { client, database, environment, listen } = await prepare({ ...LONG, EMBED_ON_TOO_LONG: "truncate" });
  expect(readConfig(environment).EMBED_ON_TOO_LONG).toBe("truncate");
  const listener = await listen();
  await client.query(insert);
  await listener.whenDrained();
  await listener.stop();

  const { rows } = await client.query("select count(embedding)::int as embedded from patient_embeddings");
  expect(rows).toEqual([{ embedded: 2 }]);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  const described = describeStatus(await collectStatus(db));
  await db.destroy();
  expect(described).toContain("patient_embeddings: 1 texts were cut to the model's limit today");
});

test("Characters of a text are counted as Postgres counts them, where it fails and where it is cut", async () => {
  const { client, listen, provider } = await prepare(LONG);
  const failing = await listen();
  await client.query("insert into patient_embeddings values (1, repeat('😀', 60)), (2, repeat('😀', 150))");
  await failing.whenDrained();
  await failing.stop();
  expect(await wrongRows(client)).toEqual(["2"]);

  await client.query("delete from patient_embeddings where patient_id = 2");
  const cutting = await listen({ EMBED_ON_TOO_LONG: "truncate" });
  await client.query("insert into patient_embeddings values (3, repeat('😀', 150))");
  await cutting.whenDrained();
  expect(provider.requests.at(-1)?.texts).toEqual(["😀".repeat(100)]);
});
