import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openPool } from "../../src/database/pools.ts";
import { BACKEND_IDS } from "../../src/providers/known-backends.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { watch } from "../../src/watch/watch.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A table is watched with any name of a backend, and the backend's id is stored", async () => {
  const { client, database, environment } = await prepare();
  await client.query("drop table if exists letters; create table letters (id int primary key, body text)");
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const db = openPool("command", config);
  onTestFinished(() => db.destroy());
  await watch(db, config, { table: "letters", text: "body", backend: "openai" });
  const { rows } = await client.query(
    "select backend from autoembed.embedding_source where name = 'letters'",
  );
  expect(rows).toEqual([{ backend: "llm_api" }]);
});

test("A source may have any backend of its own, whether it is watched from SQL or from TypeScript", async () => {
  const { client, database, environment } = await prepare();
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const db = openPool("command", config);
  onTestFinished(() => db.destroy());
  for (const backend of [...BACKEND_IDS, "openai"]) {
    await client.query(`drop table if exists letters; create table letters (id int primary key, body text, embedding vector(8));
      select autoembed.watch('letters', 'body', backend => '${backend}', source_name => 'letters')`);
    const { usable } = await loadSources(db);
    expect(usable.find(({ name }) => name === "letters")).toMatchObject({ backend });
    await client.query("select autoembed.unwatch('letters')");
  }
});
