import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

describeNative(
  "A user's transaction that began before a column was renamed",
  "needs two sessions at a time",
  () => {
    test.each(
      ["repeatable read", "serializable", "read committed"].flatMap(
        (isolation) =>
          [
            [
              isolation,
              "a new text",
              "content",
              "update renamed_notes set content = 'two' where id = 1",
              ["1"],
            ],
            [isolation, "a new key", "content", "update renamed_notes set id = 2 where id = 1", ["1", "2"]],
            [
              isolation,
              "a new row",
              "content",
              "insert into renamed_notes values ('r', 'x', 3, 'three')",
              ["3"],
            ],
            [isolation, "the same text", "content", "update renamed_notes set other = 'y' where id = 1", []],
            [
              isolation,
              "a new text of a row",
              "key",
              "update renamed_notes set body = 'two' where key = 1",
              ["1"],
            ],
            [isolation, "a new row", "key", "insert into renamed_notes values ('r', 'x', 3, 'three')", ["3"]],
          ] as const,
      ),
    )(
      "(%s) has %s queued after the rename to %s: %s",
      async (isolation, _what, name, statement, queued, also: string = "") => {
        const { client, database } = await prepare();
        await client.query(`drop table if exists renamed_notes;
      create table renamed_notes (dropped int, r text, other text, id int primary key, body text, embedding vector(${DIMENSIONS}));
      alter table renamed_notes drop dropped; insert into renamed_notes values ('r', 'x', 1, 'one');
      select autoembed.watch('renamed_notes', 'body'); delete from autoembed.embedding_queue`);
        const [migrating, using] = [await session(database.url), await session(database.url)];
        await migrating.query(
          `begin; alter table renamed_notes rename ${name === "key" ? "id" : "body"} to ${name}`,
        );
        await using.query(`begin isolation level ${isolation}`);
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
