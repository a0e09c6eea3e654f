import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

const LEVELS = ["repeatable read", "serializable", "read committed"] as const;
const TEXT = "rename body to content";
const KEY = "rename id to key";
const ROW = "insert into renamed_notes values ('r', 'x', 3, 'three')";
const CHANGES: readonly (readonly [
  what: string,
  change: string,
  statement: string,
  queued: readonly string[],
])[] = [
  ["a new text", TEXT, "update renamed_notes set content = 'two'", ["1"]],
  ["a new key", TEXT, "update renamed_notes set id = 2", ["1", "2"]],
  ["a new row", TEXT, ROW, ["3"]],
  ["nothing where the text is the same", TEXT, "update renamed_notes set other = 'y'", []],
  ["a new text by a renamed key", KEY, "update renamed_notes set body = 'two'", ["1"]],
  ["a new row by a renamed key", KEY, ROW, ["3"]],
  [
    "a new text where columns came and went, too",
    `${TEXT}; alter table renamed_notes drop r; alter table renamed_notes add late text`,
    "update renamed_notes set content = 'two'",
    ["1"],
  ],
];

describeNative(
  "A user's transaction that began before a column was renamed",
  "needs two sessions at a time",
  () => {
    test.each(LEVELS.flatMap((level) => CHANGES.map((change) => [level, ...change] as const)))(
      "(%s) has %s queued",
      async (level, _what, change, statement, queued) => {
        const { client, database } = await prepare();
        await client.query(`drop table if exists renamed_notes;
        create table renamed_notes (dropped int, r text, other text, id int primary key, body text, embedding vector(${DIMENSIONS}));
        alter table renamed_notes drop dropped; insert into renamed_notes values ('r', 'x', 1, 'one');
        select autoembed.watch('renamed_notes', 'body'); delete from autoembed.embedding_queue`);
        const [migrating, using] = [await session(database.url), await session(database.url)];
        await migrating.query(`begin; alter table renamed_notes ${change}`);
        await using.query(`begin isolation level ${level}`);
        const written = using.query(statement);
        const waits =
          "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        await expect.poll(async () => (await client.query(waits)).rowCount).toBe(1);
        await migrating.query("commit");
        await written;
        await using.query("commit");

        const { rows } = await client.query<{ key: string }>(
          "select key from autoembed.embedding_queue order by key",
        );
        expect(rows.map(({ key }) => key)).toEqual(queued);
      },
    );
  },
);

async function session(url: string): Promise<pg.Client> {
  const opened = new pg.Client(url);
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}
