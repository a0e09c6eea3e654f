import { expect, onTestFinished, test } from "vitest";
import { copyVectors } from "../../src/adopt/copy-vectors.ts";
import { watch } from "../../src/application.ts";
import { openPool } from "../../src/database/pools.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { findTable } from "../../src/watch/find-table.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { prepareLeaving } from "../support/leaving.ts";
import { session } from "../support/roles.ts";

describeNative("Copying the vectors of another tool", "needs two sessions at a time", () => {
  test("A row whose text a user is clearing gets no copied vector, and the user does not wait", async () => {
    const { client, config, url } = await prepareLeaving();
    await client.query(`create table notes (id int primary key, body text);
      create table theirs (id int, body text, vector vector(${DIMENSIONS}));
      insert into notes select n, 'note ' || n from generate_series(1, 3) n;
      insert into theirs select id, body, (select array_agg(1) from generate_series(1, ${DIMENSIONS}))::vector from notes`);
    await watch(config, { table: "notes", text: "body", into: "note_vectors" });
    const db = openPool("command", config);
    onTestFinished(() => db.destroy());
    const source = (await loadSources(db)).usable.find(({ name }) => name === "notes");
    if (source === undefined) throw new Error("notes is not watched");
    const user = await session(url);
    await user.query("begin; update notes set body = null where id = 2");
    const from = await findTable(db, "theirs");
    const kept = { as: "copy", from, column: "vector", ofText: "body" } as const;
    await copyVectors(db, source, kept, { after: null, upto: ["3"] });
    await user.query("commit");
    const { rows } = await client.query<{ id: number }>("select id from note_vectors order by id");
    expect(rows.map(({ id }) => id)).toEqual([1, 3]);
  });
});
