import { expect, test, type TestContext } from "vitest";
import { examineRefusals } from "../../src/doctor/examine-refusals.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { describeNative } from "../support/database.ts";
import { openMigrated } from "../support/migrated.ts";
import { nameIn, role, session } from "../support/roles.ts";
import { serverVersion } from "../support/server-version.ts";

const NAMES = "first text, last text, full_name text generated always as (first || ' ' || last)";

async function preparePeople(columns: string) {
  const { client, db, url } = await openMigrated();
  const make = () =>
    client.query(`create schema app;
      create table app.people (id int primary key, ${columns}, embedding vector(8));
      create table app.vectors (id int primary key references app.people on delete cascade on update cascade, embedding vector(8))`);
  const watchIt = async (text: string, vectors?: string) => {
    await client.query(
      "select autoembed.watch('app.people', $1, source_name => 'people', vector_table => $2::text::regclass)",
      [text, vectors],
    );
  };
  return { client, db, url, make, watchIt };
}

async function prepareVirtual(context: TestContext) {
  const prepared = await preparePeople(`${NAMES} virtual`);
  if ((await serverVersion(prepared.db)) < 18) context.skip("before Postgres 18 no column is virtual");
  await prepared.make();
  return prepared;
}

test("A virtual generated column, whose value triggers do not see, is refused in an expression and in the whole row too", async (context) => {
  const { watchIt } = await prepareVirtual(context);
  const refusal = "full_name is a virtual generated column, whose value triggers do not see";
  await expect(watchIt("full_name")).rejects.toThrow(refusal);
  await expect(watchIt("coalesce(full_name, '')")).rejects.toThrow(refusal);
  await expect(watchIt("to_jsonb(people) ->> 'full_name'", "app.vectors")).rejects.toThrow(refusal);
  await expect(watchIt("first || ' ' || last")).resolves.toBeUndefined();
});

test("A text with a virtual column that was watched before is found by `doctor`, and a column that became virtual by all", async (context) => {
  const { client, db, watchIt } = await prepareVirtual(context);
  const read = async () => {
    const { usable, broken } = await loadSources(db);
    const source = usable.find(({ name }) => name === "people");
    return {
      findings: source === undefined ? [] : await examineRefusals(db, source),
      broken: broken.map(({ problem }) => problem),
    };
  };
  await watchIt("first");
  expect(await read()).toEqual({ findings: [], broken: [] });
  const text = "coalesce(full_name, '')";
  await client.query("update autoembed.embedding_source set text_expression = $1 where name = 'people'", [
    text,
  ]);
  expect(await read()).toEqual({
    findings: [
      {
        level: "problem",
        what: "`watch` would refuse it now: full_name is a virtual generated column, whose value triggers do not see.",
        remedy:
          "Make it stored, or watch its expression in its place. Then watch it again as people, and backfill.",
      },
    ],
    broken: [],
  });
  await watchIt("first");
  await client.query(`alter table app.people drop column full_name, drop column first,
    add first text generated always as (lower(last)) virtual`);
  expect(await read()).toEqual({
    findings: [],
    broken: [expect.stringMatching(/^first of app.people became a virtual generated column, .* backfill$/)],
  });
});

describeNative("A role that may make no temporary view", "needs roles of its own", () => {
  test("has the text checked as any other", async () => {
    const { client, url, make } = await preparePeople(`${NAMES} stored`);
    await make();
    const owner = await role(client, url, "owner");
    const name = nameIn(owner);
    await client.query(`revoke temporary on database ${new URL(url).pathname.slice(1)} from public;
      grant all on schema app, autoembed to ${name};
      grant all on all tables in schema autoembed to ${name};
      grant all on all sequences in schema autoembed to ${name};
      grant all on all functions in schema autoembed to ${name};
      grant select on app.vectors to ${name};
      alter table app.people owner to ${name}`);
    const theirs = await session(owner);
    const watchIt = (text: string) =>
      theirs.query("select autoembed.watch('app.people', $1, source_name => 'people')", [text]);
    await expect(theirs.query("create temporary table t ()")).rejects.toThrow("permission denied");
    await expect(watchIt("first || now()")).rejects.toThrow("is another each time it is computed");
    await expect(watchIt("to_jsonb(people)")).rejects.toThrow("contains the vector");
    await expect(watchIt("(select max(v.id) from app.vectors v)")).rejects.toThrow("not made of one row");
    await watchIt("first || last");
    const { rows } = await client.query("select from pg_class where relname like '%text_probe%'");
    expect(rows).toEqual([]);
  });
});
