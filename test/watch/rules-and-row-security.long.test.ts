import { expect, onTestFinished, test, vi } from "vitest";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";
import { grant, nameIn, role } from "../support/roles.ts";

vi.setConfig({ testTimeout: 180_000 });

const RULES = {
  "swallows every update": "on update to patient_embeddings do instead nothing",
  "swallows some updates": "on update to patient_embeddings where new.patient_id = 1 do instead nothing",
  "does something more": "on update to patient_embeddings do also notify somebody",
  "replaces the update by another one":
    "on update to patient_embeddings do instead update elsewhere set vector = new.embedding where id = new.patient_id returning id, '', vector",
} as const;

test.each(Object.entries(RULES))(
  "A rule that %s is reported as the source's problem until it is dropped, and no row leaves the queue",
  async (_what, rule) => {
    const { client, listen } = await prepare();
    await client.query("create table if not exists elsewhere (id bigint primary key, vector vector)");
    await client.query("insert into elsewhere values (1, null) on conflict do nothing");
    await client.query(`create rule aside as ${rule}`);
    onTestFinished(async () => {
      await client.query("drop rule if exists aside on patient_embeddings");
    });
    const listener = await listen();
    await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
    await expect.poll(() => problem(client), { timeout: 10_000 }).toMatch(/rule aside.*drop it/);
    expect(await pending(client)).toEqual(["1", "2"]);
    await client.query("drop rule aside on patient_embeddings");
    await listener.whenDrained(AbortSignal.timeout(10_000));
    expect(await wrongRows(client)).toEqual([]);
    expect(await problem(client)).toBeNull();
  },
);

test("A rule that is disabled, or is on a command that the listener never runs, is no problem", async () => {
  const { client, listen } = await prepare();
  await client.query(`create rule off as on update to patient_embeddings do instead nothing;
    alter table patient_embeddings disable rule off;
    create rule kept as on delete to patient_embeddings do instead nothing`);
  onTestFinished(async () => {
    await client.query("drop rule off on patient_embeddings; drop rule kept on patient_embeddings");
  });
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one')");
  await listener.whenDrained(AbortSignal.timeout(10_000));
  expect(await wrongRows(client)).toEqual([]);
});

test("A rule on the table of the vectors is reported as the source's problem too", async () => {
  const { client, listen } = await prepare();
  await makeApart(client);
  await client.query("create rule aside as on insert to texts_vectors do instead nothing");
  const listener = await listen();
  await client.query("insert into texts values (1, 'one')");
  await expect.poll(() => problem(client, "texts"), { timeout: 10_000 }).toMatch(/rule aside.*texts_vectors/);
  expect(await pending(client)).toEqual(["1"]);
  await client.query("drop rule aside on texts_vectors");
  await listener.whenDrained(AbortSignal.timeout(10_000));
  expect((await client.query("select from texts_vectors where embedding is not null")).rowCount).toBe(1);
});

const POLICIES = {
  "allows no update": "create policy reading on %t for select to %r using (true)",
  "allows updates of some rows only": `create policy reading on %t for select to %r using (true);
    create policy writing on %t for update to %r using (%k <> 1)`,
  "accepts no vectors": "create policy writing on %t to %r using (true) with check (embedding is null)",
  "refuses some rows by a restrictive policy": `create policy writing on %t to %r using (true);
    create policy but on %t as restrictive for update to %r using (true) with check (%k <> 1)`,
} as const;

describeNative("Row-level security that hinders us is reported", "needs roles of its own", () => {
  test.each(Object.entries(POLICIES))(
    "Row-level security that %s is reported as the source's problem, and no row leaves the queue",
    async (_what, policies) => {
      const { client, database, listen } = await prepare();
      const listenerUrl = await role(client, database.url, "listener");
      await grant(client, nameIn(listenerUrl));
      await secure(client, "patient_embeddings", policies, nameIn(listenerUrl));
      const listener = await listen({ DATABASE_URL: listenerUrl });
      await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
      await expect.poll(() => problem(client), { timeout: 10_000 }).toContain("row-level security");
      expect(await pending(client)).toEqual(["1", "2"]);
      await client.query("alter table patient_embeddings disable row level security");
      await listener.whenDrained(AbortSignal.timeout(10_000));
      expect(await wrongRows(client)).toEqual([]);
    },
  );

  test.each(["insert", "delete"])(
    "Row-level security on the table of the vectors is reported until the listener may %s there",
    async (command) => {
      const { client, database, listen } = await prepare();
      const listenerUrl = await role(client, database.url, "listener");
      const name = nameIn(listenerUrl);
      await grant(client, name);
      await makeApart(client);
      await client.query(`grant select, update (id) on texts to ${name};
      grant select, insert, update, delete on texts_vectors to ${name}`);
      const others = ["select", "insert", "update", "delete"].filter((other) => other !== command);
      const policy = (allowed: string) =>
        `create policy may_${allowed} on %t for ${allowed} to %r ${allowed === "insert" ? "with check" : "using"} (true);`;
      await secure(client, "texts_vectors", others.map(policy).join(""), name);
      const listener = await listen({ DATABASE_URL: listenerUrl });
      await client.query("insert into texts values (1, 'one')");
      await expect.poll(() => problem(client, "texts"), { timeout: 10_000 }).toContain("row-level security");
      expect(await pending(client)).toEqual(["1"]);
      await client.query(written(policy(command), "texts_vectors", name));
      await listener.whenDrained(AbortSignal.timeout(10_000));
      expect((await client.query("select from texts_vectors where embedding is not null")).rowCount).toBe(1);
    },
  );
});

describeNative("Deletes where row-level security binds us", "needs roles of its own", () => {
  test.each([
    ["shows every row", "an ordinary table", "true", "", ""],
    ["shows every row", "a partitioned table", "true", "partition by range (id)", ""],
    ["shows every row", "a table that was renamed", "true", "", "alter table app.t rename to renamed"],
    // Another row, which it does not see, may have the key.
    ["hides rows", "an ordinary table", "id <> 1", "", ""],
    ["hides rows", "a partitioned table", "id <> 1", "partition by range (id)", ""],
    ["hides rows", "a table that was renamed", "id <> 1", "", "alter table app.t rename to renamed"],
  ])(
    "Where the owner of the trigger functions has a policy that %s, a delete of %s erases accordingly",
    async (_what, _kind, shown, partitioned, rename) => {
      const { client, database } = await prepare();
      const name = nameIn(await role(client, database.url, "successor"));
      await client.query(`drop schema if exists app cascade; create schema app;
        create table app.t (id int primary key, body text, embedding vector(${DIMENSIONS})) ${partitioned}`);
      if (partitioned !== "") await client.query("create table app.t_1 partition of app.t default");
      await client.query("select autoembed.watch('app.t', 'body', source_name => 't')");
      const { rows } = await client.query<{ f: string; me: string }>(
        `select distinct p.oid::regprocedure::text as f, current_user::text as me from pg_trigger g
         join pg_proc p on p.oid = g.tgfoid where g.tgrelid = 'app.t'::regclass`,
      );
      await client.query(`grant usage on schema autoembed, app to ${name};
        grant all on all tables in schema autoembed, app to ${name};
        grant all on all sequences in schema autoembed to ${name};
        grant execute on all functions in schema autoembed to ${name}`);
      for (const { f } of rows) await client.query(`alter function ${f} owner to ${name}`);
      onTestFinished(async () => {
        for (const { f, me } of rows) await client.query(`alter function ${f} owner to ${me}`);
      });
      await client.query(`alter table app.t enable row level security;
        create policy seen on app.t to ${name} using (${shown});
        insert into app.t values (1, 'one'), (2, 'two');
        insert into autoembed.embedding_ledger (source_id, text_hash, key)
        select source_id, sha256(key::bytea), key from autoembed.embedding_queue`);
      if (rename !== "") await client.query(rename);
      await client.query(`delete from ${rename === "" ? "app.t" : "app.renamed"}`);
      for (const table of ["embedding_queue", "embedding_ledger"]) {
        const { rows: keys } = await client.query<{ key: string }>(
          `select key from autoembed.${table} order by key`,
        );
        expect(keys.map(({ key }) => key)).toEqual(shown === "true" ? [] : ["1", "2"]);
      }
    },
  );
});

async function makeApart(client: Listening["client"]): Promise<void> {
  await client.query(`drop table if exists texts, texts_vectors cascade;
    create table texts (id bigint primary key, body text);
    create table texts_vectors (id bigint primary key references texts on delete cascade on update cascade,
      embedding vector(${DIMENSIONS}));
    select autoembed.watch('texts', 'body', vector_table => 'texts_vectors')`);
}

async function secure(
  client: Listening["client"],
  table: string,
  policies: string,
  name: string,
): Promise<void> {
  await client.query(`alter table ${table} enable row level security; ${written(policies, table, name)}`);
  onTestFinished(async () => {
    await client.query(`alter table if exists ${table} disable row level security`);
  });
}

function written(policies: string, table: string, name: string): string {
  return policies.replaceAll("%t", table).replaceAll("%r", name).replaceAll("%k", "patient_id");
}

async function problem(client: Listening["client"], source = "patient_embeddings"): Promise<string | null> {
  const { rows } = await client.query<{ trouble: string | null }>(
    "select trouble from autoembed.embedding_source where name = $1",
    [source],
  );
  return rows[0]?.trouble ?? null;
}

/** The keys of pending rows: those that have not failed. */
async function pending(client: Listening["client"]): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    "select key from autoembed.embedding_queue where failed_at is null order by key",
  );
  return rows.map(({ key }) => key);
}
