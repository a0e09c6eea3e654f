import { expect, onTestFinished } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { showProgress, type Progress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { splitText } from "../../src/chunks/split-text.ts";
import { verifyChunks } from "../../src/verify/verify-chunks.ts";
import { choose } from "../../src/sources/choose-sources.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { DIMENSIONS, prepare, type Listening } from "./listening.ts";
import { oracleVector } from "./oracle-vector.ts";

export const SPLIT = { chunk: 120, overlap: 30, unit: "characters" } as const;
const INTO: WatchOptions = {
  table: "app.documents",
  text: "body",
  into: "documents_passages",
  chunks: SPLIT,
};

export async function prepareChunkedDocuments(
  create = "create table app.documents (id bigint primary key, body text)",
) {
  const listening = await prepare();
  const { database, client, environment } = listening;
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const signal = new AbortController().signal;
  return {
    ...listening,
    db,
    config,
    backfill: async (all = false, progress: Progress = showProgress("none")) => {
      const { sources, chunked } = await choose(db, "app.documents");
      return await runBackfill(config, sources, { chunked, all, progress, signal });
    },
    verify: async () => {
      const [chunkedSource] = (await choose(db, "app.documents")).chunked;
      if (chunkedSource === undefined) throw new Error("nothing is cut");
      return await verifyChunks(db, chunkedSource, { sample: 100, signal });
    },
    watch: (options: Partial<WatchOptions> = {}) => watch(db, config, { ...INTO, ...options }),
    unwatch: (name: string) => unwatch(db, name),
  };
}

/** A text of so many sentences, all different. */
export function prose(sentences: number, seed = "a"): string {
  return Array.from(
    { length: sentences },
    (_, i) =>
      `Sentence ${seed}${i} tells of ${(i * 7919) % 1000} things and of number ${(i * 104729) % 977}.`,
  ).join(" ");
}

interface StoredChunk {
  readonly passage_id: string;
  readonly chunk: number;
  readonly start_char: number;
  readonly end_char: number;
  readonly passage: string;
  readonly embedding: string | null;
}

export async function chunksOf(client: Listening["client"], id: number | string): Promise<StoredChunk[]> {
  const { rows } = await client.query<StoredChunk>(
    "select * from app.documents_passages where id = $1 order by chunk",
    [id],
  );
  return rows;
}

/** Expects every text's stored chunks to be those that it is cut into, with the oracle's vectors, and no others. */
export async function expectAllChunksRight(client: Listening["client"]): Promise<void> {
  const { rows } = await client.query<{ id: string; body: string | null }>(
    "select id, body from app.documents",
  );
  let passages = 0;
  for (const { id, body } of rows) {
    const stored = await chunksOf(client, id);
    const expected = splitText(body ?? "", SPLIT);
    expect(
      stored.map(({ start_char, end_char, passage }) => ({
        start: start_char,
        end: end_char,
        text: passage,
      })),
    ).toEqual(expected);
    expect(stored.map(({ chunk }) => chunk)).toEqual(expected.map((_, i) => i + 1));
    for (const { passage, embedding } of stored) {
      expect(Float32Array.from(JSON.parse(embedding ?? "[]") as number[])).toEqual(
        oracleVector(passage, DIMENSIONS),
      );
    }
    passages += stored.length;
  }
  const count = await client.query<{ count: string }>("select count(*) from app.documents_passages");
  expect(Number(count.rows[0]?.count)).toBe(passages);
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
}
