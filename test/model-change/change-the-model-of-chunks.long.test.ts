import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { search } from "../../src/application.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { watch } from "../../src/watch/watch.ts";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector, startProviderServer } from "../support/provider-server.ts";

vi.setConfig({ testTimeout: 120_000 });

const NEW_DIMENSIONS = 12;

/** The number of chunks. Expects each to have the vector of a model with so many dimensions. */
async function passagesOf(client: pg.Client, dimensions: number): Promise<number> {
  const { rows } = await client.query<{ passage: string; embedding: string }>(
    "select passage, embedding from app.documents_passages",
  );
  for (const { passage, embedding } of rows) {
    expect(Float32Array.from(JSON.parse(embedding) as number[])).toEqual(oracleVector(passage, dimensions));
  }
  return rows.length;
}

function prose(sentences: number, of: string): string {
  return Array.from({ length: sentences }, (_, i) => `Sentence ${i} is about ${of} and ${i * 7919}.`).join(
    " ",
  );
}

test("The model of a chunked text is changed under the text's name, rolled back, changed again and finished", async () => {
  const { client, database, environment, listen } = await prepare();
  const theirs = await startProviderServer({ dimensions: NEW_DIMENSIONS });
  onTestFinished(() => theirs.close());
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  await client.query(
    "drop schema if exists app cascade; create schema app; create table app.documents (id bigint primary key, body text)",
  );
  const options = { table: "app.documents", text: "body", into: "documents_passages" };
  await watch(db, config, { ...options, chunks: { chunk: 120 } });
  const listener = await listen();
  const insert = (id: number, of: string) =>
    client.query("insert into app.documents values ($1, $2)", [id, prose(10, of)]);
  await insert(1, "apples");
  await insert(2, "pears");
  await listener.whenDrained();
  const before = await passagesOf(client, DIMENSIONS);
  expect(before).toBeGreaterThan(4);
  const remodel = async (...args: string[]) => {
    const command = runCommand(["remodel", "app.documents", ...args], environment);
    expect({ code: await command.exited, stderr: command.stderr() }).toMatchObject({ code: 0 });
  };

  await remodel("--model", "their-model", "--base-url", theirs.openAiUrl);
  expect(await passagesOf(client, NEW_DIMENSIONS)).toBe(before);
  await insert(3, "plums");
  await client.query("update app.documents set body = body || ' And something new.' where id = 1");
  await listener.whenDrained();
  expect(await passagesOf(client, NEW_DIMENSIONS)).toBeGreaterThan(before);
  const [found] = await search(config, "Sentence 0 is about plums and 0.", {
    source: "app.documents",
    limit: 1,
  });
  expect(found?.key).toBe("3");

  await remodel("--rollback");
  const after = await passagesOf(client, DIMENSIONS);
  await remodel();
  await remodel("--finish");
  expect(await passagesOf(client, NEW_DIMENSIONS)).toBe(after);
  await client.query("delete from app.documents where id <> 2");
  await listener.whenDrained();
  expect(await passagesOf(client, NEW_DIMENSIONS)).toBeGreaterThan(0);
  const { rows } = await client.query(
    "select name from autoembed.embedding_source where name like 'app.%' order by name",
  );
  expect(rows).toEqual([{ name: "app.documents" }, { name: "app.documents_passages" }]);
});
