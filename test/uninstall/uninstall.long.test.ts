import { expect, onTestFinished, test, vi } from "vitest";
import { openPool } from "../../src/database/pools.ts";
import { stopListeners } from "../../src/uninstall/stop-listeners.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import {
  prepareLeaving,
  rewatch,
  SHAPES,
  vectorCounts,
  watchShapes,
  writeToAll,
  type Leaving,
} from "../support/leaving.ts";
import { grant, nameIn, role, session } from "../support/roles.ts";
import { startProcess } from "../support/start-process.ts";
import { HAS_TERMINAL, openTerminal } from "../support/terminal.ts";

// Several processes start one after the other: seconds each on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

/** Everything in the catalog that has our name, or calls what has it; and kinds of objects of which we make none. */
const TRACES = `
  select 'schema ' || nspname as trace from pg_namespace where nspname ~ 'autoembed'
  union all select 'function ' || oid::regprocedure from pg_proc where proname ~ 'autoembed' or prosrc ~ 'autoembed'
  union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
  union all select 'relation ' || relname from pg_class where relname ~ '^(embedding_|trigger_template)'
  union all select 'type ' || typname from pg_type where typname ~ '^_?(embedding_|trigger_template)'
  union all select 'event trigger ' || evtname from pg_event_trigger
  union all select 'default privileges' from pg_default_acl
  union all select 'setting' from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
    where d.datname = current_database()
  order by 1`;

async function traces({ client }: Leaving): Promise<string[]> {
  const { rows } = await client.query<{ trace: string }>(TRACES);
  return rows.map(({ trace }) => trace);
}

test("Everything of ours goes, every vector stays, and a new installation adopts them without paying", async () => {
  const on = await prepareLeaving();
  await watchShapes(on);
  // As an earlier set left them.
  await on.client.query(`
    create function autoembed.check_passage_columns(regclass) returns void language sql as 'select';
    create function autoembed.watch_passages(regclass, text) returns void language sql as 'select'`);
  const before = await traces(on);
  const dry = await on.succeed("uninstall", "--dry-run");
  expect(dry).toMatch(/^To be removed:\n/);
  expect(dry).toContain("triggers of app.tickets: autoembed_");
  expect(dry).toMatch(/table autoembed\.embedding_ledger \(\d+ kB\)/);
  expect(dry).toMatch(
    /column embedding of app\.tickets.*\n\s+to remove it: alter table app\.tickets drop column "embedding";/,
  );
  expect(dry).toContain("table public.patient_embeddings, which is empty");
  expect(await traces(on)).toEqual(before);

  const refused = await on.run("uninstall");
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") as string });
  expect(await traces(on)).toEqual(before);

  await on.succeed("uninstall", "--yes");
  expect(await traces(on)).toEqual([]);
  expect(await vectorCounts(on)).toEqual(SHAPES);
  await writeToAll(on, 2);
  expect(await on.succeed("uninstall", "--yes")).toContain("Nothing of pg-autoembed is installed");

  const paid = on.provider.requests.length;
  await on.succeed("migrate");
  await rewatch(on);
  await on.succeed("backfill");
  const texts = on.provider.requests.slice(paid).flatMap((request) => request.texts);
  expect(texts.filter((text) => /ticket|letter|document|first|second/.test(text))).toEqual([]);
  expect(await vectorCounts(on)).toEqual({ ...SHAPES, "patient_embeddings.embedding": 0 });
});

test("With --vectors, what watch made goes too; a column of the user's own, and rows of the sample table, stay", async () => {
  const on = await prepareLeaving();
  await watchShapes(on);
  await on.client.query("insert into patient_embeddings values (1, 'asthma')");
  await on.client.query("alter table app.letter_vectors add column reviewed boolean");
  await on.drain();
  const printed = await on.succeed("uninstall", "--vectors", "--yes");
  expect(printed).toContain('to remove it: alter table app.own drop column "mine";');
  expect(printed).toContain("to remove it: drop table public.patient_embeddings;");

  expect(await traces(on)).toEqual([]);
  expect(await vectorCounts(on)).toEqual({ "app.own.mine": 1, "patient_embeddings.embedding": 0 });
  const { rows } = await on.client.query(`
    select to_regclass('app.document_chunks') as chunks, to_regclass('app.letters_with_embedding') as view,
      (select count(*)::int from app.letter_vectors) as reviewed, (select count(*)::int from patient_embeddings) as patients`);
  expect(rows).toEqual([{ chunks: null, view: null, reviewed: 1, patients: 1 }]);
  await writeToAll(on, 2);
  await on.succeed("migrate");
});

test("What others have built on ours is named, and nothing is removed", async () => {
  const on = await prepareLeaving();
  await watchShapes(on);
  await on.client.query(`
    create view app.costs as select * from autoembed.embedding_usage;
    create view app.found as select embedding from app.events;
    create table autoembed.mine (id int);
    create table app.noted (source int references autoembed.embedding_source);
    create function app.waits() returns boolean language plpgsql as 'begin return autoembed.wait(''x'', ''1'', ''1 s''); end'`);
  const before = await traces(on);
  const refused = await on.run("uninstall", "--yes");
  expect(refused.code).toBe(1);
  expect(refused.stderr.split("\n").slice(1, 5)).toEqual([
    "  constraint noted_source_fkey on table app.noted",
    "  function app.waits(), whose body names autoembed",
    "  table autoembed.mine",
    "  view app.costs",
  ]);
  expect((await on.run("uninstall", "--vectors", "--yes")).stderr).toContain("  view app.found\n");
  expect(await traces(on)).toEqual(before);

  await on.client.query(
    "drop view app.costs; drop table app.noted, autoembed.mine; drop function app.waits()",
  );
  await on.succeed("uninstall", "--yes");
  expect(await traces(on)).toEqual([]);
});

test("A function of others that finds our schema in another way is named, and one that finds another schema is not", async () => {
  const on = await prepareLeaving();
  const returning = (name: string, body: string, settings = "") =>
    on.client.query(`create function ${name}() returns bigint language plpgsql ${settings} as
      $body$ begin return ${body}; end $body$`);
  await returning("quoted", '(select count(*) from "autoembed".embedding_queue)');
  await returning("loud", "(select count(*) from AUTOEMBED . embedding_queue)");
  await returning("pathed", "(select count(*) from embedding_queue)", "set search_path = public, autoembed");
  await on.client.query(`create procedure set_in_body() language plpgsql as
    $body$ begin set local search_path = 'public', autoembed; perform * from embedding_queue; end $body$`);
  await returning("other_schemas", '(select count(*) from "AutoEmbed".t, my_autoembed.t, autoembedded.t)');
  await returning("other_path", "1", "set search_path = public, autoembedded");
  const refused = await on.run("uninstall", "--yes");
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr.split("\n").filter((line) => line.startsWith("  "))).toEqual([
    "  function public.loud(), whose body names autoembed",
    "  function public.pathed(), whose search_path names autoembed",
    "  function public.quoted(), whose body names autoembed",
    "  procedure public.set_in_body(), whose body names autoembed",
  ]);
  await on.client.query("drop function loud, pathed, quoted; drop procedure set_in_body");
  await on.succeed("uninstall", "--yes");
});

test("It removes what is there where our tables are lost, that of the migrations too", async () => {
  const on = await prepareLeaving();
  await watchShapes(on);
  await on.client.query("drop table autoembed.migration");
  expect(await on.succeed("uninstall", "--yes")).toContain("triggers of app.tickets: autoembed_");
  expect(await traces(on)).toEqual([]);
  await writeToAll(on, 2);
  await on.succeed("migrate");
});

test("With --vectors, what watch made goes too where the table of our sources is lost; a column of the user's own and a copied one stay", async () => {
  const on = await prepareLeaving();
  await watchShapes(on);
  await on.client.query(`alter table app.letter_vectors add column reviewed boolean;
    create table app.copied (like app.tickets including all);
    drop table autoembed.embedding_source cascade`);
  await on.succeed("uninstall", "--vectors", "--yes");
  expect(await traces(on)).toEqual([]);
  expect(await vectorCounts(on)).toEqual({ "app.copied.embedding": 0, "app.own.mine": 1 });
  const { rows } = await on.client.query(`
    select to_regclass('app.document_chunks') as chunks, to_regclass('app.letters_with_embedding') as view, id, reviewed
    from app.letter_vectors`);
  expect(rows).toEqual([{ chunks: null, view: null, id: "1", reviewed: null }]);
  await writeToAll(on, 2);
});

test.runIf(HAS_TERMINAL)("At a terminal it asks for the name of the database", async () => {
  const on = await prepareLeaving();
  const before = await traces(on);
  const name = new URL(on.url).pathname.slice(1);
  const ask = async (answer: string) => {
    const terminal = openTerminal("node dist/cli.js uninstall", on.environment);
    await expect.poll(terminal.screen, { timeout: 60_000 }).toContain("type its name: ");
    terminal.type(`${answer}\r`);
    return { code: await terminal.exited, screen: terminal.screen() };
  };
  expect(await ask("yes")).toMatchObject({
    code: 1,
    screen: expect.stringContaining("Nothing was removed") as string,
  });
  expect(await traces(on)).toEqual(before);
  expect(await ask(name)).toMatchObject({ code: 0 });
  expect(await traces(on)).toEqual([]);
});

test("A listener that does not stop: all goes on as before, or the way back from an earlier run is named", async () => {
  const on = await prepareLeaving();
  const db = openPool("command", on.config);
  onTestFinished(() => db.destroy());
  // Alive for longer than this waits: within what clocks may differ by.
  const alive = () =>
    on.client.query(`delete from autoembed.embedding_listener;
      insert into autoembed.embedding_listener (host, pid, version, seen_at) values ('elsewhere', 1, '0.2.0', now() + interval '3 s')`);
  const begun = async () =>
    (await on.client.query("select from autoembed.migration where filename = 'uninstall'")).rowCount;
  await alive();
  await expect(stopListeners(db, 200)).rejects.toThrow("process 1 on elsewhere");
  expect(await begun()).toBe(0);

  await on.client.query(
    "insert into autoembed.migration (filename, hash, version) values ('uninstall', '', '0.2.0')",
  );
  await alive();
  await expect(stopListeners(db, 200)).rejects.toMatchObject({
    remedy: expect.stringContaining("delete from autoembed.migration where filename = 'uninstall'") as string,
  });
  expect(await begun()).toBe(1);
});

describeNative("Uninstalling as another role", "needs a session of another role", () => {
  test("Only the owner may: a listener's role is told who that is", async () => {
    const on = await prepareLeaving();
    const listener = await role(on.client, on.url, "listener");
    await grant(on.client, nameIn(listener));
    const environment = { ...on.environment, DATABASE_URL: listener };
    const refused = runCommand(["uninstall", "--yes"], environment);
    expect(await refused.exited).toBe(1);
    expect(refused.stderr()).toContain("The schema autoembed belongs to the role ");
  });
});

describeNative("An uninstall that is interrupted", "needs sessions that wait for one another", () => {
  test("It is killed after some steps: users write on, nothing else starts, and the next run completes it", async () => {
    const on = await prepareLeaving();
    await watchShapes(on);
    const user = await session(on.url);
    // The last but one table that it comes to.
    await user.query("begin; select from app.tickets");
    const killed = runCommand(["uninstall", "--yes", "--vectors"], on.environment);
    await vi.waitFor(
      () => {
        expect(killed.stderr()).toContain("Triggers of app.own removed.");
      },
      { timeout: 60_000 },
    );
    killed.process.kill("SIGKILL");
    await killed.exited;
    await user.query("commit");
    await writeToAll(on, 2);

    const started = await on.run("start");
    expect(started).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("is being uninstalled") as string,
    });
    const migrated = await on.run("migrate");
    expect(migrated).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("npm run uninstall") as string,
    });

    await on.succeed("uninstall", "--yes", "--vectors");
    expect(await traces(on)).toEqual([]);
    expect(await vectorCounts(on)).toEqual({ "app.own.mine": 1 });
    await writeToAll(on, 3);
  });

  test("A user who holds a table delays it, and no other user waits for it", async () => {
    const on = await prepareLeaving();
    await watchShapes(on);
    const user = await session(on.url);
    await user.query("begin; insert into app.tickets (id, body) values (9, 'unfinished')");
    const waiting = runCommand(["uninstall", "--yes"], on.environment);
    await vi.waitFor(
      () => {
        expect(waiting.stderr()).toContain("Triggers of app.own removed.");
      },
      { timeout: 60_000 },
    );
    await writeToAll(on, 2);
    await user.query("commit");
    expect(await waiting.exited).toBe(0);
    expect(await traces(on)).toEqual([]);
  });

  test("Running listeners stop with a sentence and without a restart, before anything is removed", async () => {
    const on = await prepareLeaving();
    await watchShapes(on);
    const listeners = [await startProcess(on), await startProcess(on)];
    const ended = await on.run("uninstall", "--yes");
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout.match(/^ {2}process \d+ on /gm)).toHaveLength(2);
    expect(ended.stderr).toMatch(/^No listener is running\.\nTriggers of /);
    for (const listener of listeners) {
      expect(await listener.exited).toBe(2);
      expect(listener.stderr()).toContain(
        "pg-autoembed is being uninstalled from this database, so nothing is embedded any more.",
      );
    }
    expect(await traces(on)).toEqual([]);
  });
});
