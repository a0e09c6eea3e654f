import { expect, onTestFinished, test } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { isProbe } from "../../src/providers/isolate/probe-text.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { needsAttention } from "../../src/status/needs-attention.ts";
import { describeStatus } from "../../src/status/describe-status.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

const ROWS = 200;

/** 200 embedded rows; backfills with further settings, and the texts that each sent. */
async function prepareRows() {
  const { client, database, provider, environment, listen } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const listener = await listen();
  await client.query(
    `insert into patient_embeddings select n, 'note ' || n from generate_series(1, ${ROWS}) n`,
  );
  await listener.whenDrained();
  await listener.stop();
  return {
    client,
    provider,
    environment,
    listen,
    unseen: async (statement: string) => {
      await client.query("alter table patient_embeddings disable trigger user");
      await client.query(statement);
      await client.query("alter table patient_embeddings enable trigger user");
    },
    backfill: async (settings: Readonly<Record<string, string>> = {}): Promise<string[]> => {
      const before = provider.requests.length;
      const config = { ...readConfig({ ...environment, ...settings }), DATABASE_URL: database.url };
      const { signal } = new AbortController();
      const sources = await chooseSources(db, "patient_embeddings");
      await runBackfill(config, sources, { all: false, progress: showProgress("none"), signal });
      return provider.requests.slice(before).flatMap(({ texts }) => (isProbe(texts) ? [] : texts));
    },
    status: async () => {
      const status = await collectStatus(db);
      const { rows, current, not_queued, old_text, old_setting, adopted } = status.sources[0] ?? {};
      const needs = needsAttention(status, { maxAgeSeconds: 900 });
      return {
        rows,
        current,
        not_queued,
        old_text,
        old_setting,
        adopted,
        text: describeStatus(status),
        needs,
      };
    },
  };
}

test("Texts that changed while the triggers were off are counted as outdated, and a backfill embeds exactly those", async () => {
  const { client, backfill, status, unseen } = await prepareRows();
  await unseen("update patient_embeddings set context_text = 'changed ' || patient_id where patient_id <= 5");
  const before = await status();
  expect(before).toMatchObject({ rows: ROWS, current: ROWS - 5, old_text: 5, old_setting: 0, adopted: 0 });
  expect(before.text).toContain("5 rows have the vector of an old text");
  expect((await backfill()).toSorted()).toEqual([1, 2, 3, 4, 5].map((n) => `changed ${n}`));
  expect(await status()).toMatchObject({ rows: ROWS, current: ROWS, old_text: 0, old_setting: 0 });
  expect(await wrongRows(client)).toEqual([]);
});

test("Rows that came while the triggers were off are counted as not queued, and need a person until a backfill embeds them", async () => {
  const { client, backfill, status, unseen } = await prepareRows();
  await unseen("insert into patient_embeddings select n, 'unseen ' || n from generate_series(1001, 1003) n");
  await client.query("insert into patient_embeddings values (1004, 'seen'), (1005, ' ')");
  const says = "3 rows have no vector and are not queued: npm run backfill -- --source patient_embeddings";
  const before = await status();
  expect(before).toMatchObject({ rows: ROWS + 4, current: ROWS, not_queued: 3, old_text: 0 });
  expect(before.text).toContain(says);
  expect(before.needs).toContain(`patient_embeddings: ${says}`);
  await backfill();
  const after = await status();
  expect(after).toMatchObject({ current: ROWS + 4, not_queued: 0 });
  expect(after.needs.join()).not.toContain("not queued");
});

test("Vectors of another setting stay until a backfill, which embeds exactly those", async () => {
  const { client, backfill, listen, status } = await prepareRows();
  const settings = { OPENAI_EXTRA_BODY: '{"input_type":"document"}' };
  const listener = await listen(settings);
  await client.query(
    "update patient_embeddings set context_text = 'of the new setting' where patient_id = 1",
  );
  await listener.whenDrained();
  await listener.stop();
  const before = await status();
  expect(before).toMatchObject({ rows: ROWS, current: 1, old_text: 0, old_setting: ROWS - 1, adopted: 0 });
  expect(before.text).toContain(`${ROWS - 1} rows have a vector of an old model or setting`);
  expect(await wrongRows(client)).toEqual([]);
  expect(await backfill(settings)).toHaveLength(ROWS - 1);
  expect(await status()).toMatchObject({ rows: ROWS, current: ROWS, old_setting: 0 });
  expect(await backfill(settings)).toEqual([]);
});

test("Vectors of another tool are left alone and marked, until their text changes unseen", async () => {
  const { client, backfill, status, unseen } = await prepareRows();
  const vector = JSON.stringify([...oracleVector("theirs", DIMENSIONS)]);
  await client.query("insert into patient_embeddings values (1001, 'theirs', $1), (1002, 'theirs too', $1)", [
    vector,
  ]);
  expect(await backfill()).toEqual([]);
  expect(await status()).toMatchObject({ rows: ROWS + 2, current: ROWS + 2, adopted: 2 });
  const { rows } = await client.query(
    "select key, model_id, vector_hash from autoembed.embedding_ledger where key in ('1001', '1002') order by key",
  );
  expect(rows).toEqual(["1001", "1002"].map((key) => ({ key, model_id: null, vector_hash: null })));
  // What another tool made is lent to no row.
  await unseen("update patient_embeddings set context_text = 'changed' where patient_id = 1002");
  await unseen("insert into patient_embeddings values (1003, 'theirs')");
  expect((await backfill()).toSorted()).toEqual(["changed", "theirs"]);
  expect(await wrongRows(client)).toEqual([]);
});

test("A question is kept apart from the vectors of rows, is free for an hour, and serves no row", async () => {
  const { client, provider, listen, environment } = await prepareRows();
  const search = async (): Promise<number> => {
    const before = provider.requests.length;
    expect(await runCommand(["search", "what was asked"], environment).exited).toBe(0);
    return provider.requests.slice(before).filter(({ texts }) => texts.includes("what was asked")).length;
  };
  expect(await search()).toBe(1);
  expect(await search()).toBe(0);
  await client.query("update autoembed.embedding_question set asked_at = now() - interval '61 minutes'");
  expect(await search()).toBe(1);
  expect((await client.query("select from autoembed.embedding_cache")).rowCount).toBe(0);
  const before = provider.requests.length;
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1001, 'what was asked')");
  await listener.whenDrained();
  expect(provider.requests.slice(before).flatMap(({ texts }) => texts)).toContain("what was asked");
  await client.query("update autoembed.embedding_question set asked_at = now() - interval '61 minutes'");
  await listener.stop();
  await listen();
  await expect
    .poll(async () => (await client.query("select from autoembed.embedding_question")).rowCount)
    .toBe(0);
});
