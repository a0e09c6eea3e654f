import { writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Sent } from "../../src/providers/roles/sent.ts";
import type { ListedSource } from "../../src/status/list-sources.ts";
import { runCommand } from "../support/command.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const E5 = { OPENAI_EMBED_MODEL: "intfloat/multilingual-e5-large" } as const;

async function prepareCommands() {
  const { client, environment, listen, provider } = await prepare();
  await client.query("drop schema if exists app cascade; create schema app");
  await client.query("create table app.notes (id int primary key, body text)");
  const run = async (
    args: readonly string[],
    settings: Readonly<Record<string, string>> = {},
    folder?: string,
  ) => {
    const command = runCommand(args, { ...environment, ...settings }, folder);
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  return {
    client,
    listen,
    provider,
    run,
    /** What `sources --json` says that is sent, by the settings of a .env file. */
    sentBy: async (lines: readonly string[]): Promise<Sent | null> => {
      const folder = await mkdtemp(join(tmpdir(), "autoembed-"));
      writeFileSync(join(folder, ".env"), lines.join("\n"));
      const { stdout } = await run(["sources", "--json"], {}, folder);
      return (JSON.parse(stdout) as ListedSource[])[0]?.sent ?? null;
    },
  };
}

const sent = (document: string, query: string): Sent => ({
  document: { prefix: document, fields: {} },
  query: { prefix: query, fields: {} },
});

test("In .env, quotes keep the blank at the end of a prefix, double ones make \\n a new line, and nothing means no prefix", async () => {
  const { sentBy } = await prepareCommands();
  expect(await sentBy(['EMBED_DOCUMENT_PREFIX="note: "', "EMBED_QUERY_PREFIX='ask: '"])).toEqual(
    sent("note: ", "ask: "),
  );
  expect(
    await sentBy(["EMBED_DOCUMENT_PREFIX=note: ", String.raw`EMBED_QUERY_PREFIX="Find it.\nQuery: "`]),
  ).toEqual(sent("note:", "Find it.\nQuery: "));
  const model = `OPENAI_EMBED_MODEL=${E5.OPENAI_EMBED_MODEL}`;
  expect(await sentBy([model])).toEqual(sent("passage: ", "query: "));
  expect(await sentBy([model, "EMBED_DOCUMENT_PREFIX=", 'EMBED_QUERY_PREFIX=""'])).toEqual(sent("", ""));
});

test("`sources`, `status` and a dry run show what is sent before a text and before a question", async () => {
  const { run } = await prepareCommands();
  const shown = 'texts after "passage: ", questions after "query: "\n';
  expect((await run(["sources"], E5)).stdout).toContain(`  sends   ${shown}`);
  expect((await run(["status"], E5)).stdout).toContain(`patient_embeddings sends ${shown}`);
  expect((await run(["backfill", "--dry-run"], E5)).stdout).toContain(`  sends         ${shown}`);
  const fields = { OPENAI_QUERY_EXTRA_BODY: '{"input_type": "query"}' };
  expect((await run(["sources"], fields)).stdout).toContain(
    '  sends   texts as they are, questions with {"input_type":"query"}\n',
  );
  for (const command of [["sources"], ["status"], ["backfill", "--dry-run"]]) {
    expect((await run(command)).stdout).not.toMatch(/sends/);
  }
});

test("A dry run counts the prefixes among the characters of its requests and tokens", async () => {
  const { client, run } = await prepareCommands();
  await client.query("alter table patient_embeddings disable trigger user");
  await client.query(
    "insert into patient_embeddings select n, 'text' || n % 10 from generate_series(1, 10) n",
  );
  await client.query("alter table patient_embeddings enable trigger user");
  const tokens = async (settings: Readonly<Record<string, string>>): Promise<number> =>
    (JSON.parse((await run(["backfill", "--dry-run", "--json"], settings)).stdout) as { tokens: number }[])[0]
      ?.tokens ?? 0;
  expect(await tokens({})).toBe(Math.round((10 * 5) / 4));
  expect(await tokens({ EMBED_DOCUMENT_PREFIX: "x".repeat(35) })).toBe((10 * 40) / 4);
});

test("`watch --document-prefix --query-prefix` are a source's own, an empty one means none, and `remodel` to another model leaves them behind", async () => {
  const { client, listen, provider, run } = await prepareCommands();
  const watch = (...args: string[]) =>
    run(["watch", "app.notes", "--text", "body", "--name", "notes", ...args], E5);
  expect((await watch("--document-prefix", "note: ", "--query-prefix", "")).code).toBe(0);
  const sentOfNotes = async () =>
    (JSON.parse((await run(["sources", "--json"], E5)).stdout) as ListedSource[]).find(
      ({ name }) => name === "notes",
    )?.sent;
  expect(await sentOfNotes()).toEqual(sent("note: ", ""));
  const listener = await listen(E5);
  onTestFinished(async () => {
    await client.query(
      "select autoembed.unwatch(name) from autoembed.embedding_source where name like 'notes%'",
    );
  });
  await client.query(
    "insert into app.notes values (1, 'of its own'); insert into patient_embeddings values (1, 'of the model')",
  );
  await listener.whenDrained();
  await listener.stop();
  const texts = provider.requests.flatMap((request) => request.texts);
  expect(texts).toContain("note: of its own");
  expect(texts).toContain("passage: of the model");
  expect((await run(["search", "of its own", "--source", "notes"], E5)).code).toBe(0);
  expect(provider.requests.at(-1)?.texts).toEqual(["of its own"]);

  const other = await run(["remodel", "notes", "--model", "bge-m3", "--dry-run"], E5);
  expect(other).toMatchObject({ code: 0, stdout: expect.not.stringMatching(/^ +sends /m) as string });
  const same = await run(["remodel", "notes", "--document-prefix", "text: ", "--dry-run"], E5);
  expect(same.stdout).toContain('  sends         texts after "text: ", questions as they are\n');
  expect(await run(["remodel", "notes", "--document-prefix", "text: "], E5)).toMatchObject({ code: 0 });
  expect(await sentOfNotes()).toEqual(sent("text: ", ""));
  expect(provider.requests.flatMap((request) => request.texts)).toContain("text: of its own");
});
