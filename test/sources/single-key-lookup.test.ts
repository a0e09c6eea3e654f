import { describe, expect, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { prepare } from "../support/listening.ts";

const KEYS: readonly {
  readonly what: string;
  readonly create: string;
  /** SQL; the primary key is used where it is not given. */
  readonly key?: string;
  readonly expected: boolean;
}[] = [
  { what: "a primary key", create: "create table t (id int primary key, body text)", expected: true },
  {
    what: "other indexes that are without its key or begin with it",
    create:
      "create table t (id int primary key, body text); create index on t (body); create index on t (id, body)",
    expected: true,
  },
  {
    what: "an index that has its key second",
    create: "create table t (id int primary key, body text); create index on t (body, id)",
    expected: false,
  },
  {
    what: "an index that includes its key",
    create: "create table t (id int primary key, body text); create index on t (body) include (id)",
    expected: false,
  },
  {
    what: "a key of two columns",
    create: "create table t (id int, part int, body text, primary key (id, part))",
    expected: false,
  },
  {
    what: "an array as its key",
    create: "create table t (id int[] primary key, body text)",
    expected: false,
  },
  {
    what: "partitions",
    create:
      "create table t (id int primary key, body text) partition by range (id); create table t_1 partition of t default",
    expected: false,
  },
  {
    what: "child tables, which have no index",
    create: "create table t (id int primary key, body text); create table t_1 () inherits (t)",
    expected: false,
  },
  {
    what: "a unique index of another collation",
    create: `create table t (id text collate "C" not null, body text); create unique index on t (id collate "POSIX")`,
    key: "array['id']",
    expected: false,
  },
];

describe("A source has a single-key lookup where one index scan finds the key", () => {
  test.for(KEYS)(
    "A table with $what has a single-key lookup: $expected",
    async ({ create, key = "null", expected }) => {
      const { client, database } = await prepare();
      await client.query(`drop schema if exists app cascade; create schema app; set search_path = app, public; ${create};
      alter table t add column embedding vector(8); set search_path to default;
      select autoembed.watch('app.t', 'body', ${key})`);
      const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
      const [source] = await chooseSources(db, "app.t");
      await db.destroy();
      expect(source?.hasSingleKeyLookup).toBe(expected);
      await client.query("select autoembed.unwatch('app.t'); drop schema app cascade");
    },
  );
});
