import pg from "pg";
import { sql } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect, type Database } from "../../src/database/connect.ts";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { prepare as prepareModel } from "../../src/model-change/prepare.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const MODEL = { backend: null, model: null, dimensions: 12, settings: {} };
const DOCS: WatchOptions = { table: "app.documents", text: "body", into: "documents_vectors", name: "docs" };
const PASSAGES: WatchOptions = {
  ...DOCS,
  into: "documents_passages",
  chunks: { chunk: 60, overlap: 0, unit: "characters" },
};

interface Given {
  readonly db: Database;
  readonly watch: (options: WatchOptions) => Promise<unknown>;
}

const STEPS: readonly {
  readonly what: string;
  readonly first?: WatchOptions;
  readonly before?: (given: Given) => Promise<unknown>;
  readonly step: (given: Given) => Promise<unknown>;
}[] = [
  { what: "adding a second model", step: ({ db }) => addModel(db) },
  {
    what: "dropping a second model",
    before: ({ db }) => addModel(db),
    step: ({ db }) => dropModel(db, { name: "docs@next" }),
  },
  {
    what: "adding another column of vectors",
    step: (given) => given.watch({ ...DOCS, name: "titles", text: "title", vector: "of_title" }),
  },
  { what: "watching a source again", step: (given) => given.watch({ ...DOCS, text: "title" }) },
  {
    what: "watching with other chunks",
    first: PASSAGES,
    step: (given) => given.watch({ ...PASSAGES, text: "title" }),
  },
  {
    what: "replacing chunks by whole texts",
    first: PASSAGES,
    before: ({ db }) => sql`alter table app.documents add column embedding public.vector(8)`.execute(db),
    step: (given) => given.watch({ table: "app.documents", text: "body", name: "docs" }),
  },
  { what: "unwatching a source", step: ({ db }) => unwatch(db, "docs") },
  { what: "unwatching a chunked source", first: PASSAGES, step: ({ db }) => unwatch(db, "docs") },
];

async function addModel(db: Database): Promise<void> {
  const [live] = await chooseSources(db, "docs");
  if (live === undefined) throw new Error("no source");
  await prepareModel(db, live, MODEL);
}

/*
 * A user's delete locks the watched table and then, by its cascade, the table of vectors. A statement that locked the
 * table of vectors first and waited for the watched one would block such a user repeatedly until it gives way.
 */
describeNative("Locks are taken as users take them", "needs two sessions", () => {
  test.for(STEPS)(
    "A wait of $what for a user holds no lock on the table of vectors",
    async ({ first = DOCS, before, step }) => {
      const { client, database, environment } = await prepare();
      await client.query(`drop schema if exists app cascade; create schema app;
      create table app.documents (id bigint primary key, title text, body text);
      insert into app.documents values (1, 'a title', 'a body')`);
      const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
      onTestFinished(() => db.destroy());
      const config = { ...readConfig(environment), DATABASE_URL: database.url };
      const given: Given = { db, watch: (options) => watch(db, config, options) };
      await given.watch(first);
      await before?.(given);

      const user = new pg.Client(database.url);
      await user.connect();
      onTestFinished(() => user.end());
      await user.query("begin; update app.documents set title = 'another' where id = 1");
      const stepped = step(given);
      await vi.waitFor(async () => {
        const { rowCount } = await client.query(
          "select from pg_locks where relation = 'app.documents'::regclass and not granted",
        );
        expect(rowCount).toBe(1);
      }, 10_000);
      // Longer than one wait of the step, so that a repeated attempt is seen too.
      for (let look = 0; look < 15; look++) {
        await user.query(`set local lock_timeout = '50ms'; select from app.${first.into ?? ""}`);
        await user.query("select pg_sleep(0.05)");
      }
      await user.query("commit");
      await stepped;
    },
  );
});
