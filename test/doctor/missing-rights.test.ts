import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineSource } from "../../src/doctor/examine-source.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { missingGrants } from "../../src/sources/missing-grants.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { readConfig } from "../../src/config.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { grant, nameIn, role } from "../support/roles.ts";

/** A listener's role with all rights but those on the texts: a column in `app.plain`, an expression in the others. */
async function prepareLesserRole() {
  const { client, database, environment } = await prepare();
  const url = await role(client, database.url, "listener");
  const name = nameIn(url);
  await client.query(`drop schema if exists app cascade; create schema app;
    create function app.title(body text) returns text immutable language sql as $$ select 'A ' || body $$;
    create table app.plain (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
    create table app.titled (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
    create table app.long (id bigint primary key, body text);
    create table app.long_chunks (id bigint not null references app.long on delete cascade on update cascade,
      passage_id bigint generated always as identity primary key, chunk int not null, start_char int not null,
      end_char int not null, passage text not null, embedding vector(${DIMENSIONS}));
    select autoembed.watch('app.plain', 'body', source_name => 'plain');
    select autoembed.watch('app.titled', 'app.title(body)', source_name => 'titled');
    select autoembed.watch('app.long', 'coalesce(body, '''')', source_name => 'long', vector_table => 'app.long_chunks',
      passages => '{"size": 300, "overlap": 30, "unit": "characters"}')`);
  await grant(client, name);
  await client.query(`grant usage on schema app to ${name}; grant update (embedding) on app.plain, app.titled to ${name};
    grant update (id) on app.long to ${name}; grant select, insert, update, delete on app.long_chunks to ${name}`);
  const db = connect({ databaseUrl: url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  return { client, db, name, config: readConfig(environment) };
}

describeNative("A role that may not read a watched table", "needs roles of its own", () => {
  test("A text that is an expression, also one in chunks, names the right that the role lacks and gives the grant", async () => {
    const { client, db, name } = await prepareLesserRole();
    const { broken } = await loadSources(db);
    expect(broken.map((source) => source.name)).toEqual(["titled", "long"]);
    for (const { problem } of broken) {
      expect(problem).toContain(`the role ${name} may not read app.`);
      expect(problem).not.toContain("renamed or dropped");
      await client.query(/: (grant .*)$/.exec(problem)?.[1] ?? "");
    }
    const { usable, chunked, broken: left } = await loadSources(db);
    expect(left).toEqual([]);
    expect([...chunked, ...usable].map((source) => source.name)).toContain("long");

    await client.query("revoke execute on function app.title(text) from public");
    const [titled] = (await loadSources(db)).broken;
    expect(titled?.problem).toContain(
      "this role may not compute the text app.title(body) of app.titled: permission denied for function title",
    );
  });

  test("A search, and a role that may read the table, are told the right that is missing, and are granted no vectors", async () => {
    const { client, db, name } = await prepareLesserRole();
    const problems = async () =>
      (await loadSources(db, "search")).broken.map(
        ({ problem }) => /: (permission denied .*?)\./.exec(problem)?.[1],
      );
    expect(await problems()).toEqual([
      "permission denied for table titled",
      "permission denied for table long",
    ]);
    for (const { problem } of (await loadSources(db, "search")).broken)
      expect(problem).not.toContain("update");
    await client.query(`grant select on app.titled, app.long to ${name}; revoke update (embedding) on app.titled from ${name};
      revoke execute on function app.title(text) from public`);
    expect(await problems()).toEqual(["permission denied for function title"]);
    const [titled] = (await loadSources(db)).broken;
    expect(titled?.problem).toContain("permission denied for function title");
  });

  test("Rights on the columns of a table of chunks that are written are enough", async () => {
    const { client, db, name } = await prepareLesserRole();
    await client.query(`grant select on app.long to ${name}; revoke insert, update on app.long_chunks from ${name};
      grant insert (id, chunk, start_char, end_char, passage), update (chunk, start_char, end_char) on app.long_chunks to ${name}`);
    const missing = async () => {
      const long = (await loadSources(db)).chunked.find((source) => source.name === "long");
      return long === undefined ? "not loaded" : await missingGrants(db, long);
    };
    expect(await missing()).toMatchObject({ role: name });
    await client.query(`grant update (passage) on app.long_chunks to ${name}`);
    expect(await missing()).toBeNull();
  });

  test("`status` counts the other sources, and says which one it cannot count; `doctor` gives the grant", async () => {
    const { client, db, name, config } = await prepareLesserRole();
    await client.query("insert into patient_embeddings (patient_id, context_text) values (1, 'one')");
    await client.query(`grant select on patient_embeddings to ${name}`);
    const { sources } = await collectStatus(db);
    const byName = new Map(sources.map((source) => [source.name, source]));
    expect(byName.get("patient_embeddings")).toMatchObject({ rows: 1, problem: null });
    expect(byName.get("plain")?.problem).toContain(
      "the rows of app.plain cannot be counted: the database answered SQLSTATE 42501",
    );
    const plain = (await loadSources(db)).usable.find((source) => source.name === "plain");
    if (plain === undefined) throw new Error("plain is not loaded");
    const found = await examineSource(db, config, plain);
    const missing = found.find(({ what }) => what.includes("may not read it"));
    await client.query(missing?.remedy ?? "");
    const again = (await collectStatus(db)).sources.find((source) => source.name === "plain");
    expect(again).toMatchObject({ rows: 0, problem: null });
  });
});
