import { sql } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { describeNative } from "../support/database.ts";
import { runCommand } from "../support/command.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

vi.setConfig({ testTimeout: 180_000 });

/** What a standby answers to writes, from the next session on; the sessions that there are end. */
async function prepareReadOnly() {
  const around = await prepare();
  const { client, database } = around;
  const name = new URL(database.url).pathname.slice(1);
  const takesWrites = async (does: boolean): Promise<void> => {
    await client.query("set default_transaction_read_only = off");
    await client.query(
      `alter database ${name} ${does ? "reset" : "set"} default_transaction_read_only ${does ? "" : "= on"}`,
    );
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name like 'pg-autoembed%' and not $1",
      [does],
    );
  };
  onTestFinished(() => takesWrites(true));
  return { ...around, takesWrites };
}

describeNative("A server that takes no writes", "needs several sessions", () => {
  test.each([
    { who: "a listener", seeksPrimary: true },
    { who: "a search", seeksPrimary: false },
  ])("A connection of $who that turns read-only is replaced: $seeksPrimary", async ({ seeksPrimary }) => {
    const { database } = await prepare();
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true, seeksPrimary });
    onTestFinished(() => db.destroy());
    const pid = async () =>
      (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid;
    const before = await pid();
    await sql`select set_config('default_transaction_read_only', 'on', false)`.execute(db);
    const write = () => sql`delete from autoembed.embedding_cache`.execute(db);
    await expect(write()).rejects.toMatchObject({ code: "25006" });
    if (seeksPrimary) await write();
    expect((await pid()) !== before).toBe(seeksPrimary);
  });

  test("`/readyz` is 503 and `up` 0 while it is read-only, and the listener goes on by itself afterwards", async () => {
    const { client, database, listen, takesWrites } = await prepareReadOnly();
    const listener = await listen();
    const http = await serve(listener, database.url);
    const readyz = async () => {
      const answer = await fetch(new URL("/readyz", http.url));
      return `${answer.status} ${(await answer.text()).trim()}`;
    };
    const up = async () =>
      /^pg_autoembed_up \d$/m.exec(await (await fetch(new URL("/metrics", http.url))).text())?.[0];
    await expect.poll(readyz).toBe("200 ready");
    await takesWrites(false);
    await expect
      .poll(readyz)
      .toBe("503 the database takes no writes (SQLSTATE 25006): it is a standby, or read-only");
    await expect.poll(up).toBe("pg_autoembed_up 0");
    await client.query("insert into patient_embeddings values (1, 'written while read-only')");
    await takesWrites(true);
    await expect.poll(readyz).toBe("200 ready");
    await expect.poll(up).toBe("pg_autoembed_up 1");
    await expect.poll(() => wrongRows(client)).toEqual([]);
  });

  test.each([["start"], ["backfill"]])(
    "`npm run %s` says in one sentence that it needs the primary",
    async (command) => {
      const { client, environment, takesWrites } = await prepareReadOnly();
      await client.query("insert into patient_embeddings values (1, 'one')");
      await takesWrites(false);
      const run = runCommand([command], environment);
      expect(await run.exited).toBe(1);
      expect(run.stderr()).toContain(
        "The database takes no writes (SQLSTATE 25006): it is a standby, or read-only.\n",
      );
      expect(run.stderr()).not.toContain("    at ");
    },
  );

  test("`npm run search` finds rows there, also for a new question, and `doctor` blames no pooler", async () => {
    const { client, environment, listen, takesWrites } = await prepareReadOnly();
    const listener = await listen();
    await client.query("insert into patient_embeddings values (1, 'headache'), (2, 'fracture')");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    await listener.stop();
    await takesWrites(false);
    const search = runCommand(["search", "headache", "--json"], environment);
    expect(await search.exited, search.stderr()).toBe(0);
    expect(JSON.parse(search.stdout())).toHaveLength(2);
    const doctor = runCommand(["doctor"], environment);
    expect(await doctor.exited).toBe(1);
    expect(doctor.stdout()).toContain("The database takes no writes");
    expect(doctor.stdout()).not.toContain("pooler");
  });
});
