import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { SetupError } from "../../src/errors.ts";
import { migrate } from "../../src/migrate.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";
import { openEmptyDatabase } from "../support/native-database.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { grant, moveVector, nameIn, role, session } from "../support/roles.ts";

describeNative("Least privileges are enough, and are kept", "needs roles of its own", () => {
  test("A role that may create schemas and nothing in public is told by a migration which rights it lacks, and has enough with them", async () => {
    const { client, url } = await prepareEmpty();
    const migrator = await role(client, url, "migrator");
    const again = (): Promise<void> => migrate({ databaseUrl: migrator, dimensions: DIMENSIONS });
    await client.query(`create extension vector; revoke create on schema public from public`);
    const refusal = async (): Promise<string> =>
      await again().then(
        () => "",
        (error: unknown) => (error instanceof SetupError ? error.remedy : ""),
      );
    const database = new URL(url).pathname.slice(1);
    const grants = ["create on database MINE to ROLE;", "create on schema public to ROLE;"];
    for (const right of grants) {
      expect(await refusal()).toContain(`grant ${right}`);
      await client.query(`grant ${right.replace("MINE", database).replace("ROLE", nameIn(migrator))}`);
    }
    await again();
  });

  test("A listener works with docs/grants.sql alone, and an application with rights on its table alone", async () => {
    const { client, database, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const applicationUrl = await role(client, database.url, "application");
    await grant(client, nameIn(listenerUrl));
    await client.query(
      `grant select, insert, update, delete, truncate on patient_embeddings to ${nameIn(applicationUrl)}`,
    );
    const application = await session(applicationUrl);
    const listener = await listen({ DATABASE_URL: listenerUrl });

    await application.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three')");
    await application.query("update patient_embeddings set context_text = 'zwei' where patient_id = 2");
    await application.query("update patient_embeddings set patient_id = 4 where patient_id = 1");
    await application.query("update patient_embeddings set context_text = '' where patient_id = 3");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
    await application.query("delete from patient_embeddings where patient_id = 2");
    expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
    await application.query("truncate patient_embeddings");
    expect(await listener.stop()).toBe(0);
    expect((await client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
  });

  test("A listener whose vectors go to their own table works with the documented rights, and may not update the texts", async () => {
    const { client, database, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    await client.query(`drop schema if exists app cascade; create schema app;
      create table app.notes (id bigint primary key, body text);
      create table app.notes_embeddings (id bigint primary key references app.notes on delete cascade on update cascade, embedding vector(${DIMENSIONS}));
      select autoembed.watch('app.notes', 'body', source_name => 'notes', vector_table => 'app.notes_embeddings')`);
    await grant(client, name);
    await client.query(`grant select, update (id) on app.notes to ${name};
      grant select, insert, update, delete on app.notes_embeddings to ${name}; grant usage on schema app to ${name}`);
    const listener = await listen({ DATABASE_URL: listenerUrl });

    await client.query("insert into app.notes values (1, 'one'), (2, 'two'), (3, 'three')");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    await client.query(
      "update app.notes set body = 'zwei' where id = 2; update app.notes set body = '' where id = 3",
    );
    await client.query("update app.notes set id = 4 where id = 1");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    const { rows } = await client.query<{ id: string; right: boolean }>(
      "select v.id, v.embedding = $1 as right from app.notes_embeddings v order by id",
      [`[${oracleVector("zwei", DIMENSIONS).join(",")}]`],
    );
    expect(rows).toEqual([
      { id: "2", right: true },
      { id: "4", right: false },
    ]);
    const application = await session(listenerUrl);
    await expect(application.query("update app.notes set body = 'forged'")).rejects.toMatchObject({
      code: "42501",
    });
  });

  test("A listener that may not write a table's vectors reports it, pays for none of them, delays no other source, and goes on once it may", async () => {
    const { client, database, provider, environment, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    await grant(client, name);
    await client.query(`drop table if exists beside; create table beside (like patient_embeddings including all);
      grant select on beside to ${name}; select autoembed.watch('beside', 'context_text')`);
    const listener = await listen({ DATABASE_URL: listenerUrl });
    await client.query(
      "insert into beside values (1, 'not yet'); insert into patient_embeddings values (1, 'one')",
    );
    await expect.poll(() => wrongRows(client)).toEqual([]);
    const { rows } = await client.query("select name, trouble from autoembed.embedding_source order by id");
    expect(rows).toEqual([
      { name: "patient_embeddings", trouble: null },
      {
        name: "beside",
        trouble: expect.stringContaining(`the role ${name} may not read public.beside`) as string,
      },
    ]);
    expect(provider.requests.flatMap(({ texts }) => texts)).not.toContain("not yet");
    const doctor = runCommand(["doctor"], { ...environment, DATABASE_URL: listenerUrl });
    expect(await doctor.exited).toBe(1);
    const remedy = /→ (grant usage on schema "public" .*;)\n/.exec(doctor.stdout())?.[1];
    expect(remedy).toContain('grant select, update ("embedding") on "public"."beside"');

    await client.query(remedy ?? "");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client, "beside")).toEqual([]);
    expect(
      (await client.query("select from autoembed.embedding_source where trouble is not null")).rowCount,
    ).toBe(0);
  });

  test("A listener that may not use pgvector's schema reports it, pays for nothing, and goes on once it may", async () => {
    const { client, database, provider, environment, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    await moveVector(client);
    await grant(client, name);
    await client.query(`revoke usage on schema extensions from ${name}`);
    const listener = listen({ DATABASE_URL: listenerUrl });
    await client.query("insert into patient_embeddings values (1, 'not yet')");
    await expect(listener).rejects.toThrow(`the role ${name} may not read public.patient_embeddings`);
    expect(provider.requests.flatMap(({ texts }) => texts)).not.toContain("not yet");
    const doctor = runCommand(["doctor"], { ...environment, DATABASE_URL: listenerUrl });
    expect(await doctor.exited).toBe(1);
    const remedy = /→ (grant usage on schema "public" .*;)\n/.exec(doctor.stdout())?.[1];
    expect(remedy).toContain(`grant usage on schema "extensions" to "${name}";`);

    await client.query(remedy ?? "");
    await (await listen({ DATABASE_URL: listenerUrl })).whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  });

  test("A listener and a search work where pgvector is in a schema of its own, by grant_listener() and grant_search() alone", async () => {
    const { client, database, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const searcherUrl = await role(client, database.url, "searcher");
    await moveVector(client);
    await grant(client, nameIn(listenerUrl));
    await client.query("select autoembed.grant_search($1::regrole)", [nameIn(searcherUrl)]);
    await client.query(`grant select on patient_embeddings to ${nameIn(searcherUrl)}`);
    await client.query("insert into patient_embeddings values (1, 'one')");
    await (await listen({ DATABASE_URL: listenerUrl })).whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
    const searcher = await session(searcherUrl);
    const { rows } = await searcher.query(
      "select key from autoembed.search('patient_embeddings', $1::extensions.vector)",
      [JSON.stringify([...oracleVector("one", DIMENSIONS)])],
    );
    expect(rows).toEqual([{ key: "1" }]);
  });

  test("A role that may not grant the use of pgvector's schema is warned of it, and the other grants are made", async () => {
    const { client, database } = await prepare();
    const name = nameIn(await role(client, database.url, "listener"));
    const granter = nameIn(await role(client, database.url, "granter"));
    await moveVector(client);
    // Whatever it grants is rolled back when the test ends: roles with grants in both directions cannot be dropped.
    const granting = await session(database.url);
    const warnings: string[] = [];
    granting.on("notice", ({ message }) => warnings.push(message ?? ""));
    await granting.query(`begin; grant usage on schema autoembed to ${granter} with grant option;
      grant all on all tables in schema autoembed to ${granter} with grant option;
      grant all on all sequences in schema autoembed to ${granter} with grant option;
      grant execute on all functions in schema autoembed to ${granter} with grant option;
      set local role ${granter}`);
    await granting.query("select autoembed.grant_listener($1::regrole)", [name]);
    expect(warnings.join()).toContain(`the role ${name} may not use the schema extensions`);
    const { rows } = await granting.query(
      "select has_table_privilege($1, 'autoembed.embedding_queue', 'delete') as may",
      [name],
    );
    expect(rows).toEqual([{ may: true }]);
  });

  test("A text in chunks that the role may not read is reported with its grants, is not waited for by `drain`, and is embedded once it may be", async () => {
    const { client, database, environment, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    await client.query(`drop schema if exists app cascade; create schema app;
      create table app.long (id bigint primary key, body text);
      create table app.long_chunks (id bigint not null references app.long on delete cascade on update cascade,
        passage_id bigint generated always as identity primary key, chunk int not null, start_char int not null,
        end_char int not null, passage text not null, embedding vector(${DIMENSIONS}));
      select autoembed.watch('app.long', 'body', source_name => 'long', vector_table => 'app.long_chunks',
        passages => '{"chunk": 300, "overlap": 30, "unit": "characters"}');
      insert into app.long values (1, 'one')`);
    await grant(client, name);
    await client.query(`grant usage on schema app to ${name}; grant update (id) on app.long to ${name};
      grant select, insert, update, delete on app.long_chunks to ${name}`);
    const drain = runCommand(["drain"], { ...environment, DATABASE_URL: listenerUrl });
    expect(await drain.exited).toBe(1);
    expect(drain.stderr()).toContain(`long: the role ${name} lacks rights: grant`);

    const listener = await listen({ DATABASE_URL: listenerUrl });
    const trouble = async () => {
      const { rows } = await client.query<{ trouble: string | null }>(
        "select trouble from autoembed.embedding_source where name = 'long'",
      );
      return rows[0]?.trouble;
    };
    const reported: string[] = [];
    listener.events.on("source_failing", ({ problem }) => reported.push(problem));
    await expect.poll(trouble).toContain(`the role ${name} may not read app.long`);
    // Looked at again, it is the same problem, which is reported once.
    for (let i = 0; i < 2; i++) {
      await client.query("select autoembed.watch('patient_embeddings', 'context_text')");
      await client.query("insert into patient_embeddings values ($1, 'in sight')", [i]);
      await expect.poll(() => wrongRows(client)).toEqual([]);
    }
    expect(await trouble()).toContain("may not read app.long");
    expect(reported).toEqual([]);
    await client.query(`grant select on app.long to ${name}`);
    await listener.whenDrained(AbortSignal.timeout(60_000));
    const { rows: chunks } = await client.query("select from app.long_chunks where embedding is not null");
    expect(chunks).toHaveLength(1);
    expect(await trouble()).toBeNull();
  });

  test("An application can neither read nor write our tables, nor attach our trigger functions to other tables", async () => {
    const { client, database } = await prepare();
    const applicationUrl = await role(client, database.url, "application");
    const name = nameIn(applicationUrl);
    await client.query(`grant select, insert, update, delete on patient_embeddings to ${name}`);
    await client.query(`create schema ${name} authorization ${name}`);
    const application = await session(applicationUrl);
    const { rows } = await client.query<{ id: number }>("select id from autoembed.embedding_source");
    const id = rows[0]?.id;
    await application.query(
      `create table ${name}.mine (patient_id bigint primary key, context_text text, embedding text)`,
    );

    for (const statement of [
      "select * from autoembed.embedding_queue",
      "select * from autoembed.embedding_cache",
      "insert into autoembed.embedding_queue (source_id, key) values (1, 'x')",
      "delete from autoembed.embedding_cache",
      "update autoembed.embedding_source set text_expression = '(select 1)'",
      "select autoembed.watch('patient_embeddings', 'context_text', source_name => 'theirs')",
      "select autoembed.unwatch('patient_embeddings')",
      `create trigger abuse after update on ${name}.mine for each row execute function autoembed.source_${id}_row()`,
      `create trigger abuse after truncate on ${name}.mine execute function autoembed.source_${id}_truncate()`,
    ]) {
      await expect(application.query(statement), statement).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("Objects that a writer puts on its search_path are never called with the owner's rights", async () => {
    const { client, database, listen } = await prepare();
    const applicationUrl = await role(client, database.url, "application");
    const name = nameIn(applicationUrl);
    await client.query(`grant select, insert, update, delete on patient_embeddings to ${name}`);
    await client.query(`create schema ${name} authorization ${name}`);
    const application = await session(applicationUrl);
    // Objects with the names that the triggers call, earlier on the search_path. Each records which role ran it.
    await application.query(`
      create table ${name}.caught (who text);
      create table ${name}.embedding_queue (like public.patient_embeddings);
      create function ${name}.pg_notify(text, text) returns void language sql as $$ insert into ${name}.caught values (current_user) $$;
      create function ${name}.catches(bigint, bigint) returns boolean language sql as $$ insert into ${name}.caught values (current_user); select false $$;
      create operator ${name}.= (leftarg = bigint, rightarg = bigint, function = ${name}.catches);
      set search_path = ${name}, public, pg_catalog;
      create temp table new_rows (patient_id bigint);
    `);
    await application.query("insert into public.patient_embeddings values (1, 'a'), (2, 'b')");
    await application.query("update public.patient_embeddings set context_text = 'c'");
    await application.query("delete from public.patient_embeddings where context_text = 'none'");
    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    const { rows } = await client.query<{ who: string }>(
      `select distinct who from ${name}.caught where who <> '${name}'`,
    );
    expect(rows).toEqual([]);
  });

  test("Rows that row-level security hides are not taken for deleted rows, and are embedded once they are visible", async () => {
    const { client, database, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const listenerRole = nameIn(listenerUrl);
    await grant(client, listenerRole);
    const listener = await listen({ DATABASE_URL: listenerUrl });
    onTestFinished(async () => {
      await client.query(`alter table patient_embeddings disable row level security;
        drop policy if exists every_row on patient_embeddings; drop policy if exists but_not_two on patient_embeddings`);
    });

    await client.query("begin; alter table patient_embeddings enable row level security");
    await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'); commit");
    const trouble = async () =>
      (
        await client.query<{ trouble: string | null }>(
          "select trouble from autoembed.embedding_source order by id",
        )
      ).rows[0]?.trouble;
    // The rows of the other source may still be claimed by then.
    const queued = async () =>
      (
        await client.query(
          "select from autoembed.embedding_queue where source_id = (select min(id) from autoembed.embedding_source)",
        )
      ).rowCount;
    await expect.poll(trouble).toContain("row-level security");
    expect(await queued()).toBe(2);

    // A restrictive policy hides a row although another policy shows all rows.
    await client.query(`create policy every_row on patient_embeddings to ${listenerRole} using (true);
      create policy but_not_two on patient_embeddings as restrictive to ${listenerRole} using (patient_id <> 2)`);
    await client.query("update patient_embeddings set context_text = context_text || '!'");
    // A listener that has taken up a new source has looked at all sources again and drained those that it can.
    await client.query(
      `drop table if exists beside; create table beside (like patient_embeddings including all)`,
    );
    await client.query(`grant select, update (embedding) on beside to ${listenerRole}`);
    await client.query("select autoembed.watch('beside', 'context_text')");
    for (let id = 1; id <= 2; id++) {
      await client.query("insert into beside values ($1, 'in sight')", [id]);
      await expect.poll(() => wrongRows(client, "beside")).toEqual([]);
    }
    expect(await queued()).toBe(2);

    await client.query("drop policy but_not_two on patient_embeddings");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
    expect(await trouble()).toBeNull();
  });

  test("autoembed.search finds what its caller may read, and no row that is hidden from the caller", async () => {
    const { client, database, listen } = await prepare();
    const applicationUrl = await role(client, database.url, "application");
    const name = nameIn(applicationUrl);
    await client.query(`drop table if exists notes, notes_vectors cascade;
      create table notes (id bigint primary key, body text);
      create table notes_vectors (id bigint primary key references notes on delete cascade on update cascade, embedding vector(${DIMENSIONS}));
      select autoembed.watch('notes', 'body', vector_table => 'notes_vectors')`);
    const listener = await listen();
    for (const table of ["patient_embeddings", "notes"])
      await client.query(`insert into ${table} values (1, 'one'), (2, 'two'), (3, 'three')`);
    await listener.whenDrained(AbortSignal.timeout(30_000));
    const application = await session(applicationUrl);
    const found = async (source: string): Promise<string[]> => {
      const { rows } = await application.query<{ key: string }>(
        "select key from autoembed.search($1, $2::vector) order by key",
        [source, JSON.stringify([...oracleVector("two", DIMENSIONS)])],
      );
      return rows.map(({ key }) => key);
    };
    onTestFinished(async () => {
      await client.query("alter table patient_embeddings disable row level security");
    });

    await expect(found("notes")).rejects.toMatchObject({ code: "42501" });
    await client.query(`select autoembed.grant_search('${name}')`);
    for (const source of ["patient_embeddings", "notes"])
      await expect(found(source)).rejects.toMatchObject({ code: "42501" });
    await client.query(`grant select on patient_embeddings, notes_vectors to ${name}`);
    await expect(found("notes")).rejects.toMatchObject({ code: "42501" });
    await client.query(`grant select on notes to ${name}`);
    expect(await found("patient_embeddings")).toEqual(["1", "2", "3"]);
    expect(await found("notes")).toEqual(["1", "2", "3"]);

    await client.query(`alter table patient_embeddings enable row level security;
      create policy but_two on patient_embeddings for select to ${name} using (patient_id <> 2);
      alter table notes enable row level security;
      create policy but_two on notes for select to ${name} using (id <> 2)`);
    expect(await found("patient_embeddings")).toEqual(["1", "3"]);
    expect(await found("notes")).toEqual(["1", "3"]);
  });

  test("Row-level security on our own tables is reported to the role that it hides them from, with what lets it in", async () => {
    const { client, database } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    await grant(client, nameIn(listenerUrl));
    const { rows } = await client.query<{ table: string }>(
      "select oid::regclass::text as table from pg_class where relnamespace = 'autoembed'::regnamespace and relkind = 'r'",
    );
    onTestFinished(async () => {
      for (const { table } of rows) await client.query(`alter table ${table} disable row level security`);
    });
    for (const { table } of rows) await client.query(`alter table ${table} enable row level security`);
    const status = async (url = listenerUrl) => {
      const run = runCommand(["status"], { DATABASE_URL: url });
      return { code: await run.exited, said: run.stderr() };
    };
    const { code, said } = await status();
    expect(code).toBe(1);
    expect(said).toContain("Row-level security hides rows of autoembed.embedding_asked, ");
    await client.query(/As the owner of the schema autoembed: (.*)/.exec(said)?.[1] ?? "");
    expect((await status()).code).toBe(0);

    const searcherUrl = await role(client, database.url, "searcher");
    await client.query("select autoembed.grant_search($1::regrole)", [nameIn(searcherUrl)]);
    const { said: asked } = await status(searcherUrl);
    expect(asked).toContain(`from the role ${nameIn(searcherUrl)}.`);
    expect(asked).not.toContain("embedding_queue");
    await client.query(/As the owner of the schema autoembed: (.*)/.exec(asked)?.[1] ?? "");
    expect((await status(searcherUrl)).said).not.toContain("Row-level security hides");
  });
});

/** A database without anything of ours, and a session of its owner's. */
async function prepareEmpty() {
  const database = await openEmptyDatabase(process.env["TEST_DATABASE_URL"] ?? "");
  onTestFinished(() => database.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  return { client, url: database.url };
}
