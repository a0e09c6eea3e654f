import { expect, test } from "vitest";
import { beginBackfills } from "../support/begin-backfills.ts";
import { runCommand } from "../support/command.ts";
import { prepare, wrongRows, type Listening } from "../support/listening.ts";

async function drain(on: Listening, ...args: string[]) {
  const command = runCommand(["drain", ...args], on.environment);
  return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
}

async function pending({ client }: Listening): Promise<number> {
  return (await client.query("select from autoembed.embedding_queue where failed_at is null")).rowCount ?? 0;
}

test("`drain` embeds what is pending, begins no backfill, leaves a paused source alone, and ends", async () => {
  const on = await prepare();
  await on.client
    .query(`drop table if exists asleep; create table asleep (id int primary key, body text, embedding vector(8));
    select autoembed.watch('asleep', 'body');
    update autoembed.embedding_source set paused = true where name = 'asleep';
    insert into asleep values (1, 'waits');
    alter table patient_embeddings disable trigger user;
    insert into patient_embeddings values (1, 'never queued');
    alter table patient_embeddings enable trigger user;
    insert into patient_embeddings select n, 'text ' || n from generate_series(2, 101) n`);
  const { code, stdout } = await drain(on, "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    sources: ["patient_embeddings"],
    done: 100,
    pending: 0,
    failed: 0,
  });
  expect(await wrongRows(on.client)).toEqual(["1"]);
  expect(await pending(on)).toBe(1);
  expect((await on.client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
});

test("`drain` with nothing pending asks no provider", async () => {
  const on = await prepare();
  expect(await drain(on)).toMatchObject({ code: 0, stdout: "Nothing is pending.\n" });
  expect(on.provider.counts.requests).toBe(0);
});

test("`drain` takes part in a backfill that is under way", async () => {
  const on = await prepare();
  await on.client.query(`alter table patient_embeddings disable trigger user;
    insert into patient_embeddings select n, 'text ' || n from generate_series(1, 50) n;
    alter table patient_embeddings enable trigger user`);
  await beginBackfills(on.database.url);
  expect(await drain(on)).toMatchObject({ code: 0 });
  expect(await wrongRows(on.client)).toEqual([]);
});

test("`drain` ends at its time with 1 while the provider is down, and claims nothing any more", async () => {
  const on = await prepare({ EMBED_SHUTDOWN_MS: "200" });
  on.provider.always("hang");
  await on.client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
  const { code, stdout } = await drain(on, "--for", "2");
  expect(code).toBe(1);
  expect(stdout).toContain("2 rows are still pending. To continue: npm run drain.");
  expect((await on.client.query("select from autoembed.embedding_queue where owner is null")).rowCount).toBe(
    2,
  );
});

test("`drain` says that the provider asks for a long pause, and for how long", async () => {
  const on = await prepare({ EMBED_SHUTDOWN_MS: "200" });
  on.provider.always({ status: 429, headers: { "retry-after": "3600" }, body: {} });
  await on.client.query("insert into patient_embeddings values (1, 'one')");
  const command = runCommand(["drain", "--for", "60"], on.environment);
  await expect.poll(() => command.stderr(), { timeout: 30_000 }).toMatch(/429\..* It is asked again in \d+/);
  command.process.kill("SIGINT");
  expect(await command.exited).toBe(1);
});

test("`drain` exits with 1 where a row has failed, and names the command that lists it", async () => {
  const on = await prepare();
  on.provider.poison = (text) => text === "bad";
  await on.client.query("insert into patient_embeddings values (1, 'good'), (2, 'bad')");
  const { code, stdout } = await drain(on);
  expect(code).toBe(1);
  expect(stdout).toContain("1 rows failed: see npm run failed.");
});

test("`drain` does not wait for rows of a table that is gone: it names it, embeds the others, and exits with 1", async () => {
  const on = await prepare();
  await on.client.query(`drop table if exists gone; create table gone (like patient_embeddings including all);
    select autoembed.watch('gone', 'context_text'); insert into gone values (1, 'one'); drop table gone`);
  const idle = await drain(on);
  expect(idle).toMatchObject({ code: 1, stdout: "Nothing is pending that can be embedded.\n" });
  expect(idle.stderr).toContain("gone: its table was dropped");
  expect(on.provider.counts.requests).toBe(0);
  await on.client.query("insert into patient_embeddings values (1, 'one')");
  expect(await drain(on, "--for", "60")).toMatchObject({ code: 1 });
  expect(await wrongRows(on.client)).toEqual([]);
});

test("`drain` names a source whose changes are not queued, and exits with 1 though nothing is pending", async () => {
  const on = await prepare();
  await on.client.query(`drop table if exists whole; drop table if exists part;
    create table whole (id int primary key, body text, embedding vector(8)) partition by range (id);
    create table part (like whole including all);
    select autoembed.watch('part', 'body');
    alter table whole attach partition part for values from (1) to (10)`);
  const { code, stdout, stderr } = await drain(on);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "Nothing is pending.\n" });
  expect(stderr).toContain("part: public.part became a partition after it was watched");
});

test("`drain` exits with 1, and says why, where no source can be worked on and the queue is empty", async () => {
  const on = await prepare();
  await on.client.query("alter table patient_embeddings rename column context_text to body");
  const { code, stderr } = await drain(on);
  await on.client.query("alter table patient_embeddings rename column body to context_text");
  expect(code).toBe(1);
  expect(stderr).toContain("No watched table can be worked on.");
  expect(stderr).toContain("patient_embeddings: the text context_text cannot be read");
});
