import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare, wrongRows } from "../support/listening.ts";

test("`backfill` and `verify` of all sources name a source that cannot be worked on, do the others, and exit with 1", async () => {
  const { client, environment } = await prepare();
  await client.query(`drop table if exists gone; create table gone (id int primary key, body text, embedding vector(8));
    select autoembed.watch('gone', 'body'); alter table gone rename column body to words;
    insert into patient_embeddings select n, 'text ' || n from generate_series(1, 5) n`);
  const run = async (...args: string[]) => {
    const command = runCommand(args, environment);
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  const named = expect.stringContaining(
    "gone is left out: the text body cannot be read from public.gone",
  ) as string;
  const estimated = await run("backfill", "--dry-run", "--json");
  expect(estimated).toMatchObject({ code: 1, stderr: named });
  expect(JSON.parse(estimated.stdout)).toMatchObject([{ source: "patient_embeddings", rows: 5 }]);
  const done = await run("backfill", "--json");
  expect(done).toMatchObject({ code: 1, stderr: named });
  expect(JSON.parse(done.stdout)).toMatchObject({ done: 5, pending: 0, failed: 0 });
  expect(await wrongRows(client)).toEqual([]);
  expect(await run("verify")).toMatchObject({ code: 1, stderr: named });
  expect(await run("backfill", "--per-row")).toMatchObject({ code: 1, stderr: named });
  expect(await run("backfill", "--source", "patient_embeddings")).toMatchObject({ code: 0 });
  await client.query("select autoembed.unwatch('gone'); drop table gone");
});
