import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { migrate } from "../../src/migrate.ts";
import { watch } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { grant, nameIn, role, session } from "../support/roles.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

const DIMENSIONS = 8;

/** A migrated database in which everything that is made is granted to `anon`, as Supabase and many shops have it. */
async function openHanded(): Promise<{ url: string; client: pg.Client; anonUrl: string }> {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  const anonUrl = await role(client, database.url, "anon");
  const anon = nameIn(anonUrl);
  await client.query(`
    alter default privileges grant all on tables to ${anon};
    alter default privileges grant all on functions to ${anon};
    alter default privileges grant all on sequences to ${anon};
    alter default privileges grant all on schemas to ${anon};
    alter default privileges in schema public grant all on tables to ${anon}`);
  await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
  return { url: database.url, client, anonUrl };
}

/** What a role may do with anything in the schema autoembed, and with the tables named. */
async function rightsOf(client: pg.Client, name: string, tables: readonly string[] = []): Promise<string[]> {
  const { rows } = await client.query<{ right: string }>(
    `select format('%s on %s', p, c.oid::regclass) as right from pg_class c,
       unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p
     where (c.relnamespace = 'autoembed'::regnamespace or c.oid = any($2::regclass[])) and c.relkind in ('r', 'v')
       and has_table_privilege($1, c.oid, p)
     union all
     select format('%s on %s', p, c.oid::regclass) from pg_class c, unnest(array['usage', 'select', 'update']) p
     where c.relnamespace = 'autoembed'::regnamespace and c.relkind = 'S' and has_sequence_privilege($1, c.oid, p)
     union all
     select format('execute %s', f.oid::regprocedure) from pg_proc f
     where f.pronamespace = 'autoembed'::regnamespace and has_function_privilege($1, f.oid, 'execute')
     union all
     select format('%s on schema', p) from unnest(array['usage', 'create']) p where has_schema_privilege($1, 'autoembed', p)`,
    [name, tables],
  );
  return rows.map(({ right }) => right).sort();
}

describeNative("default privileges", "needs roles of its own", () => {
  test("that grant everything to a role let it neither read nor write nor call anything of ours", async () => {
    const { client, anonUrl } = await openHanded();
    expect(await rightsOf(client, nameIn(anonUrl))).toEqual([]);
    const anon = await session(anonUrl);
    for (const statement of [
      "select * from autoembed.embedding_source",
      "insert into autoembed.embedding_cache (model, text_hash, embedding) values ('m', '', '[1]')",
      "select autoembed.watch('patient_embeddings', 'context_text')",
      "select autoembed.key_sql('t', array['id'])",
      "create table autoembed.mine ()",
    ]) {
      await expect(anon.query(statement), statement).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("let nobody call the trigger functions of a table that is watched, nor read a table that is made for its vectors", async () => {
    const { url, client, anonUrl } = await openHanded();
    const db = connect({ databaseUrl: url, maxConnections: 1, ownSessions: true });
    onTestFinished(() => db.destroy());
    const config = readConfig({ DATABASE_URL: url, EMBEDDING_DIM: String(DIMENSIONS) });
    await client.query(`create table secrets (id bigint primary key, body text);
      create table long_secrets (id bigint primary key, body text)`);
    const apart = await watch(db, config, { table: "secrets", text: "body", into: "secrets_vectors" });
    const chunked = await watch(db, config, {
      table: "long_secrets",
      text: "body",
      into: "long_secrets_chunks",
      chunks: { chunk: 200 },
    });
    const made = [apart.into, apart.view, chunked.into].filter((name) => name !== null);
    expect(made).toHaveLength(3);
    expect(await rightsOf(client, nameIn(anonUrl), made)).toEqual([]);
  });

  test("that are made later, with a dump that is restored, are taken back by the next migrate, although nothing is pending; what was granted on purpose stays", async () => {
    const { url, client, anonUrl } = await openHanded();
    const anon = nameIn(anonUrl);
    const monitor = nameIn(await role(client, url, "monitor"));
    const listener = nameIn(await role(client, url, "listener"));
    await grant(client, listener);
    const before = await rightsOf(client, listener);
    await client.query(`alter default privileges grant select on tables to ${listener};
      grant select on autoembed.embedding_queue to ${monitor};
      grant all on all tables in schema autoembed to ${anon}; grant all on schema autoembed to ${anon};
      grant execute on all functions in schema autoembed to public`);
    const messages: string[] = [];
    await migrate({
      databaseUrl: url,
      dimensions: DIMENSIONS,
      onMessage: (message) => messages.push(message),
    });

    expect(messages).toEqual([]);
    expect(await rightsOf(client, anon)).toEqual([]);
    expect(await rightsOf(client, monitor)).toEqual(["select on autoembed.embedding_queue"]);
    expect(await rightsOf(client, listener)).toEqual(before);
  });

  test("that name the role of a listener or of a search leave it, after a migrate, what it was granted on purpose, and nothing else", async () => {
    const { url, client } = await openHanded();
    const rights = new Map<string, string[]>();
    const [listener, searcher] = [
      await role(client, url, "listener"),
      await role(client, url, "searcher"),
    ].map(nameIn) as [string, string];
    await grant(client, listener);
    await client.query("select autoembed.grant_search($1)", [searcher]);
    for (const name of [listener, searcher]) rights.set(name, await rightsOf(client, name));
    expect(rights.get(searcher)).toContain("select on autoembed.embedding_source");
    await client.query(`alter default privileges grant all on tables to ${listener}, ${searcher};
      grant all on all tables in schema autoembed to ${listener}, ${searcher};
      grant all on all functions in schema autoembed to ${listener}, ${searcher}`);
    await migrate({ databaseUrl: url, dimensions: DIMENSIONS });
    for (const [name, before] of rights) expect(await rightsOf(client, name)).toEqual(before);
  });

  test("a trigger function that another role may call does nothing on a table of that role's", async () => {
    const { client, anonUrl } = await openHanded();
    const name = nameIn(anonUrl);
    await client.query(`insert into patient_embeddings values (1, 'ours'); create schema ${name} authorization ${name};
      grant usage on schema autoembed to ${name}; grant execute on all functions in schema autoembed to ${name}`);
    const anon = await session(anonUrl);
    // Its key is a type of that role's, whose cast to text would run with our rights.
    await anon.query(`
      create table ${name}.caught (who text);
      create type ${name}.bait as (n int);
      create function ${name}.catches(${name}.bait) returns text language sql
        as $$ insert into ${name}.caught values (current_user); select 'forged' $$;
      create cast (${name}.bait as text) with function ${name}.catches(${name}.bait);
      create table ${name}.mine (patient_id ${name}.bait, context_text text, embedding text);
      create trigger a after insert on ${name}.mine referencing new table as new_rows for each statement
        execute function autoembed.source_1_insert();
      create trigger b after insert or update on ${name}.mine for each row execute function autoembed.source_1_row();
      create trigger c after delete on ${name}.mine referencing old table as old_rows for each statement
        execute function autoembed.source_1_delete();
      create trigger d after truncate on ${name}.mine for each statement execute function autoembed.source_1_truncate();
      insert into ${name}.mine values (row(1), 'text'); update ${name}.mine set context_text = 'other';
      delete from ${name}.mine; truncate ${name}.mine`);
    expect((await client.query(`select from ${name}.caught`)).rowCount).toBe(0);
    const { rows } = await client.query("select key from autoembed.embedding_queue");
    expect(rows).toEqual([{ key: "1" }]);
  });
});
