import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { verifySource, type VerifyReport } from "../../src/verify/verify-source.ts";
import { prepare } from "../support/listening.ts";

/** Three rows with vectors, one of a text that the model takes only when it is cut. */
async function prepareLongText() {
  const on = await prepare({ EMBED_ON_TOO_LONG: "truncate" });
  on.provider.longestText = 400;
  const listener = await on.listen();
  await on.client.query(
    "insert into patient_embeddings values (1, 'short'), (2, 'also short'), (3, repeat('long ', 400))",
  );
  await listener.whenDrained();
  const db = connect({ databaseUrl: on.database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const verify = async (): Promise<VerifyReport> => {
    const [source] = (await loadSources(db)).usable;
    if (source === undefined) throw new Error("there is no source");
    const options = { sample: 10, minCosine: 0.99, minOverlap: 0.9, signal: AbortSignal.timeout(20_000) };
    return await verifySource(db, readConfig(on.environment), source, options);
  };
  return { ...on, verify };
}

test("A text that was cut to the model's limit is cut again by verify, and has the same vector", async () => {
  const { client, verify } = await prepareLongText();
  const { rows } = await client.query("select from patient_embeddings where embedding is not null");
  expect(rows).toHaveLength(3);
  expect(await verify()).toMatchObject({ ok: true, sampled: 3, refused: 0 });
});

test("A text that the provider refuses is left out of a verify, which counts it and compares the others", async () => {
  const { provider, verify } = await prepareLongText();
  provider.poison = (text) => text.startsWith("also");
  expect(await verify()).toMatchObject({ ok: true, sampled: 2, refused: 1 });
});

test("Where the provider refuses every text of the sample, nothing is proved", async () => {
  const { provider, verify } = await prepareLongText();
  provider.poison = (text) => /short|long/.test(text);
  expect(await verify()).toMatchObject({ ok: false, sampled: 0, refused: 3 });
});
