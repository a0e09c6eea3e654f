import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare, type Listening } from "../support/listening.ts";

async function run({ environment }: Pick<Listening, "environment">, ...args: string[]) {
  const command = runCommand(args, environment);
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

/** Four rows of two sources that have failed for two reasons. The fifth is pending. */
async function prepareFailedRows(): Promise<Listening> {
  const on = await prepare();
  await on.client.query(`drop schema if exists app cascade; create schema app;
    create table app.notes (id int primary key, note text, embedding vector(8));
    select autoembed.watch('app.notes', 'note', source_name => 'my notes');
    insert into patient_embeddings values (1, 'xylophonic'), (2, 'xylophonic two'), (3, 'xylophonic three'), (5, 'pending');
    insert into app.notes values (4, 'xylophonic four');
    update autoembed.embedding_queue set failed_at = '2026-01-02 03:04:05+00', attempts = 2,
      last_error = case key when '2' then 'too long' else 'refused' end where key <> '5'`);
  return on;
}

test("`failed` lists failed rows by reason, the commonest first, with their number and without a text", async () => {
  const on = await prepareFailedRows();
  const { code, stdout, stderr } = await run(on, "failed");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toBe(`3 rows: refused
  source              key  failed                attempts
  patient_embeddings  1    2026-01-02T03:04:05Z  2
  patient_embeddings  3    2026-01-02T03:04:05Z  2
  my notes            4    2026-01-02T03:04:05Z  2

1 row: too long
  source              key  failed                attempts
  patient_embeddings  2    2026-01-02T03:04:05Z  2

When the cause is fixed: npm run retry
`);
});

test("`failed` and `status` show a key without what would drive the terminal", async () => {
  const on = await prepareFailedRows();
  await on.client.query(
    `update autoembed.embedding_queue set key = e'\\x1b]0;mine\\x07' || e'\\u009b31m\\u202e4' where key = '4'`,
  );
  for (const command of ["failed", "status"]) {
    const { stdout } = await run(on, command);
    expect(stdout, command).toContain("\uFFFD]0;mine\uFFFD\uFFFD31m\uFFFD4");
    expect(stdout, command).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  }
});

test("`failed --limit` shows fewer rows and still counts all", async () => {
  const { stdout } = await run(await prepareFailedRows(), "failed", "--limit", "1");
  expect(stdout).toContain("3 rows: refused\n");
  expect(stdout).toContain("  and 2 more\n");
});

test("`failed --source` shows one source, and proposes a retry of it with its name quoted", async () => {
  const { stdout } = await run(await prepareFailedRows(), "failed", "--source", "my notes");
  expect(stdout).toContain("1 row: refused\n");
  expect(stdout).not.toContain("patient_embeddings");
  expect(stdout).toContain('npm run retry -- --source "my notes"\n');
});

test("`failed --json` is one document with every row", async () => {
  const { stdout } = await run(await prepareFailedRows(), "failed", "--json");
  const at = { failed_at: "2026-01-02T03:04:05Z", attempts: 2 };
  expect(JSON.parse(stdout)).toEqual([
    {
      reason: "refused",
      rows: 3,
      failed: [
        { source: "patient_embeddings", key: "1", ...at },
        { source: "patient_embeddings", key: "3", ...at },
        { source: "my notes", key: "4", ...at },
      ],
    },
    { reason: "too long", rows: 1, failed: [{ source: "patient_embeddings", key: "2", ...at }] },
  ]);
});

test("`failed` says that no row has failed, and which sources there are if the name is wrong", async () => {
  const on = await prepare();
  expect(await run(on, "failed")).toEqual({ code: 0, stdout: "No row has failed.\n", stderr: "" });
  expect((await run(on, "failed", "--json")).stdout).toBe("[]\n");
  expect(await run(on, "failed", "--source", "nothing")).toMatchObject({
    code: 2,
    stderr: 'No source is called "nothing".\nSources: patient_embeddings.\n',
  });
});

test("A backfill with nothing to do shows no progress", async () => {
  const { code, stdout, stderr } = await run(await prepare(), "backfill");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^0 rows done/);
});
