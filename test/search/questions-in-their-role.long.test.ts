import { expect, onTestFinished, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { describeStatus } from "../../src/status/describe-status.ts";
import { runCommand } from "../support/command.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const ROWS = 20;
const PREFIXES = { EMBED_DOCUMENT_PREFIX: "note: ", EMBED_QUERY_PREFIX: "ask: " } as const;

type Settings = Readonly<Record<string, string>>;

/** Rows that were embedded as they are, commands and backfills with further settings, and what the provider received. */
async function prepareRows() {
  const { client, database, provider, environment, listen } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const embed = async (statement: string, settings: Settings = {}): Promise<void> => {
    const listener = await listen(settings);
    await client.query(statement);
    await listener.whenDrained();
    await listener.stop();
  };
  await embed(`insert into patient_embeddings select n, 'note ' || n from generate_series(1, ${ROWS}) n`);
  await client.query("truncate autoembed.embedding_question");
  const receivedBy = async (work: () => Promise<unknown>): Promise<string[]> => {
    const before = provider.requests.length;
    await work();
    return provider.requests
      .slice(before)
      .flatMap(({ texts }) => texts.filter((text) => !text.endsWith(PROBE_TEXT)));
  };
  const run = async (settings: Settings, ...args: string[]) => {
    const command = runCommand(args, { ...environment, ...settings });
    expect({ code: await command.exited, stderr: command.stderr() }).toMatchObject({ code: 0 });
    return command.stdout();
  };
  const backfill = async (settings: Settings): Promise<void> => {
    const config = { ...readConfig({ ...environment, ...settings }), DATABASE_URL: database.url };
    const { signal } = new AbortController();
    const sources = await chooseSources(db, "patient_embeddings");
    await runBackfill(config, sources, { all: false, progress: showProgress("none"), signal });
  };
  return {
    client,
    embed,
    receivedBy,
    run,
    search: (query: string, settings: Settings) => receivedBy(() => run(settings, "search", query)),
    backfill: (settings: Settings) => receivedBy(() => backfill(settings)),
    status: async (settings: Settings = {}) => {
      const status = await collectStatus(db, readConfig({ ...environment, ...settings }));
      const { current, old_setting } = status.sources[0] ?? {};
      return { current, old_setting, text: describeStatus(status) };
    },
  };
}

test("A changed prefix of rows makes them outdated, `status` says so, and a backfill embeds exactly these again", async () => {
  const { embed, backfill, status } = await prepareRows();
  await embed("update patient_embeddings set context_text = 'changed' where patient_id = 1", PREFIXES);
  const before = await status();
  expect(before).toMatchObject({ current: 1, old_setting: ROWS - 1 });
  expect(before.text).toContain(`${ROWS - 1} rows have a vector of an old model or setting`);
  const sent = await backfill(PREFIXES);
  const expected = Array.from({ length: ROWS - 1 }, (_, i) => `note: note ${i + 2}`);
  expect(sent.toSorted()).toEqual(expected.toSorted());
  expect(await status()).toMatchObject({ current: ROWS, old_setting: 0 });
});

test("A changed prefix of questions makes no row outdated", async () => {
  const { embed, backfill, status } = await prepareRows();
  const settings = { EMBED_QUERY_PREFIX: "ask: " };
  await embed("update patient_embeddings set context_text = 'changed' where patient_id = 1", settings);
  expect(await status()).toMatchObject({ current: ROWS, old_setting: 0 });
  expect(await backfill(settings)).toEqual([]);
});

test("A question whose words are a row's text is asked as a question, once, and again where questions are sent otherwise", async () => {
  const { embed, search } = await prepareRows();
  await embed("insert into patient_embeddings values (1001, 'chest pain')", PREFIXES);
  expect(await search("chest pain", PREFIXES)).toEqual(["ask: chest pain"]);
  expect(await search("chest pain", PREFIXES)).toEqual([]);
  const instructed = { ...PREFIXES, EMBED_QUERY_PREFIX: "Query: " };
  expect(await search("chest pain", instructed)).toEqual(["Query: chest pain"]);
  expect(await search("chest pain", { ...PREFIXES, EMBED_QUERY_PREFIX: "" })).toEqual(["chest pain"]);
});

test("A row whose text was asked as a question is embedded as a row", async () => {
  const { embed, receivedBy, search } = await prepareRows();
  expect(await search("what was asked", PREFIXES)).toEqual(["ask: what was asked"]);
  const sent = await receivedBy(() =>
    embed("insert into patient_embeddings values (1001, 'what was asked')", PREFIXES),
  );
  expect(sent).toEqual(["note: what was asked"]);
});

test("The sample of a dry run, a backfill row by row and `verify` send the texts of rows as such", async () => {
  const { backfill, client, receivedBy, run } = await prepareRows();
  await client.query("alter table patient_embeddings disable trigger user");
  await client.query("insert into patient_embeddings values (1001, 'unseen'), (1002, 'unseen too')");
  await client.query("alter table patient_embeddings enable trigger user");
  for (const command of [
    ["backfill", "--dry-run", "--sample", "2"],
    ["backfill", "--per-row"],
  ]) {
    const sent = await receivedBy(() => run(PREFIXES, ...command));
    expect(sent).not.toEqual([]);
    expect(sent.filter((text) => !text.startsWith("note: "))).toEqual([]);
  }
  await backfill(PREFIXES);
  const verified = await receivedBy(() => run(PREFIXES, "verify", "--sample", "5"));
  expect(verified).toHaveLength(5);
  expect(verified.filter((text) => !text.startsWith("note: "))).toEqual([]);
});
