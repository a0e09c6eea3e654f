import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { watch } from "../../src/application.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/provider-server.ts";

test.each([
  ["in the table", undefined],
  ["in a table of their own", "amount_vectors"],
])(
  "A row that is queued under two spellings of its key gets its vector, %s, and does not fail",
  async (_, into) => {
    const { client, environment, database, listen } = await prepare();
    await client.query(`drop table if exists amount_vectors, amounts cascade;
    create table amounts (id numeric primary key, body text)`);
    await watch(
      { ...readConfig(environment), DATABASE_URL: database.url },
      { table: "amounts", text: "body", into },
    );
    await client.query(`insert into amounts values (1.0, 'one'), (2.0, 'two'), (3, 'three'), (4.0, 'four');
    alter table amounts disable trigger user;
    update amounts set id = id + 0.00 where id <> 3;
    alter table amounts enable trigger user;
    update amounts set body = body || '!' where id <= 2;
    update amounts set body = '' where id = 4;
    insert into amounts values (5.0, 'of another'); update amounts set id = 6 where id = 5; insert into amounts values (5.00, 'five')`);
    const { rows: queued } = await client.query<{ key: string }>(
      "select key from autoembed.embedding_queue order by key",
    );
    expect(queued.map(({ key }) => key)).toEqual([
      "1.0",
      "1.00",
      "2.0",
      "2.00",
      "3",
      "4.0",
      "4.00",
      "5.0",
      "5.00",
      "6",
    ]);

    const listener = await listen();
    await listener.whenDrained();

    const { rows: left } = await client.query("select key, last_error from autoembed.embedding_queue");
    expect(left).toEqual([]);
    const { rows } = await client.query<{ text: string; vector: string }>(
      `select t.body as text, v.embedding as vector from amounts t join ${into ?? "amounts"} v on v.id = t.id
     where v.embedding is not null order by t.id`,
    );
    expect(rows.map(({ text }) => text)).toEqual(["one!", "two!", "three", "five", "of another"]);
    for (const { text, vector } of rows) {
      expect(Float32Array.from(JSON.parse(vector) as number[])).toEqual(oracleVector(text, DIMENSIONS));
    }
  },
);
