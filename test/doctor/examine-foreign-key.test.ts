import { expect, test } from "vitest";
import { examineForeignKey } from "../../src/doctor/examine-foreign-key.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { openMigrated } from "../support/migrated.ts";
import { serverVersion } from "../support/server-version.ts";

const CASCADES = "on delete cascade on update cascade";

async function prepareLetters() {
  const { client, db } = await openMigrated();
  await client.query(`create schema app;
    create table app."The ""letters""" ("The ""id""" int primary key, other int unique, body text);
    create table app."Its vectors" ("The ""id""" int primary key references app."The ""letters""" ${CASCADES},
      other int, embedding vector(8));
    select autoembed.watch('app."The ""letters"""', 'body', source_name => 'letters', vector_table => 'app."Its vectors"')`);
  const found = async () => {
    const source = (await loadSources(db)).usable.find(({ name }) => name === "letters");
    if (source === undefined) throw new Error("the source cannot be worked on");
    return await examineForeignKey(db, source);
  };
  const instead = (key: string) =>
    client.query(`alter table app."Its vectors" drop constraint if exists "Its vectors_The ""id""_fkey",
      add constraint another foreign key ${key}`);
  /** The remedy is run as it is printed. */
  const expectRemedied = async () => {
    const [problem, ...others] = await found();
    expect(others).toEqual([]);
    expect(problem).toMatchObject({
      level: "problem",
      what: '"app"."Its vectors" has lost its foreign key: the vectors of deleted rows stay there.',
    });
    await client.query(problem?.remedy?.replace(/^.* then: /, "") ?? "");
    expect(await found()).toMatchObject([{ level: "ok" }]);
  };
  return { client, db, found, instead, expectRemedied };
}

test("`doctor` finds that a foreign key of other columns is not that of the vectors, and its remedy can be run, quotes in names included", async () => {
  const { found, instead, expectRemedied } = await prepareLetters();
  expect(await found()).toMatchObject([{ level: "ok" }]);
  await instead(`(other) references app."The ""letters""" (other) ${CASCADES}`);
  await expectRemedied();
});

test("A foreign key that is not enforced cascades nothing: `doctor` and `watch` take it for none", async (context) => {
  const { client, db, instead, expectRemedied } = await prepareLetters();
  if ((await serverVersion(db)) < 18) context.skip("before Postgres 18 every foreign key is enforced");
  await instead(`("The ""id""") references app."The ""letters""" ${CASCADES} not enforced`);
  await expect(
    client.query(`select autoembed.watch('app."The ""letters"""', 'body', source_name => 'letters',
      vector_table => 'app."Its vectors"')`),
  ).rejects.toThrow("does not follow the rows");
  await expectRemedied();
});
