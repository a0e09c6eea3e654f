import pg from "pg";
import { onTestFinished } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { DIMENSIONS, prepare } from "./listening.ts";
import { oracleVector } from "./provider-server.ts";

export const DOCUMENTS = "create table app.documents (id bigint primary key, title text, body text)";
export const INTO: WatchOptions = {
  table: "app.documents",
  text: "body",
  into: "documents_embeddings",
  name: "docs",
};

export async function prepareVectorTable(create = DOCUMENTS, options: WatchOptions = INTO) {
  const listening = await prepare();
  const { client, database, environment } = listening;
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const watched = await watch(db, config, options);
  return {
    ...listening,
    db,
    config,
    watched,
    watchAgain: (changed: Partial<WatchOptions> = {}) => watch(db, config, { ...options, ...changed }),
    source: async () => {
      const [source] = await chooseSources(db, watched.name);
      if (source === undefined) throw new Error("no source");
      return source;
    },
    backfill: async () =>
      await runBackfill(config, await chooseSources(db, watched.name), {
        all: false,
        progress: showProgress("none"),
        signal: new AbortController().signal,
      }),
    problemOf: async () =>
      (await collectStatus(db)).sources.find(({ name }) => name === watched.name)?.problem ?? "none",
  };
}

/** Keys whose vector is not the oracle's for their text, and keys of vectors that belong to no text. */
export async function wrongVectors(client: pg.Client, key = "id", watched = "documents"): Promise<string[]> {
  const { rows } = await client.query<{ key: string; body: string | null; embedding: string | null }>(
    `select coalesce(t.${key}::text, 'orphan ' || v.${key}::text) as key, t.body, v.embedding, v.${key} is not null as kept
    from app.${watched} t full join app.${watched}_embeddings v using (${key}) order by 1`,
  );
  return rows.flatMap(({ key, body, embedding }) => {
    const expected = body === null || body.trim() === "" ? null : oracleVector(body, DIMENSIONS);
    const actual = embedding === null ? null : Float32Array.from(JSON.parse(embedding) as number[]);
    return String(expected) === String(actual) ? [] : [key];
  });
}

export async function keysOfVectors(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>("select id from app.documents_embeddings order by id");
  return rows.map(({ id }) => id);
}
