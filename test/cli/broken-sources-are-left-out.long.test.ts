import { expect, onTestFinished, test } from "vitest";
import { prepareChunkedDocuments } from "../support/chunked-documents.ts";
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

test("A source whose key is not set here is named, and keeps `verify`, a dry run and --per-row from no other source", async () => {
  const { client, environment } = await prepare();
  await client.query(`drop table if exists keyless;
    create table keyless (id int primary key, body text, embedding vector(8));
    insert into keyless values (1, 'not sent from here');
    select autoembed.watch('keyless', 'body', backend => 'cohere', settings => '{"api_key_env": "UNSET_API_KEY"}');
    insert into patient_embeddings select n, 'text ' || n from generate_series(1, 5) n`);
  onTestFinished(async () => {
    await client.query("select autoembed.unwatch('keyless'); drop table keyless");
  });
  const run = async (...args: string[]) => {
    const command = runCommand(args, environment);
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  const named = expect.stringContaining("keyless is left out: UNSET_API_KEY is not set") as string;
  const estimated = await run("backfill", "--dry-run", "--json");
  expect(estimated).toMatchObject({ code: 1, stderr: named });
  expect(JSON.parse(estimated.stdout)).toMatchObject([{ source: "patient_embeddings", rows: 5 }]);
  const rows = await run("backfill", "--per-row", "--json");
  expect(rows).toMatchObject({ code: 1, stderr: named });
  expect(JSON.parse(rows.stdout)).toEqual({ rows: 5, left: 1 });
  const verified = await run("verify", "--json");
  expect(verified).toMatchObject({ code: 1, stderr: named });
  expect(JSON.parse(verified.stdout)).toMatchObject([{ source: "patient_embeddings", ok: true }]);
  const alone = await run("verify", "--source", "keyless");
  expect(alone).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^UNSET_API_KEY is not set/) as string,
  });
});

test("Sources whose provider does not answer or refuses half-way are named, and `--per-row` counts what is done and left", async () => {
  const { client, environment, provider } = await prepare();
  await client.query(`drop table if exists unreached;
    create table unreached (id int primary key, body text, embedding vector(8));
    insert into unreached values (1, 'not sent'), (2, 'not sent either');
    select autoembed.watch('unreached', 'body', backend => 'llm_api',
      settings => '{"base_url": "http://127.0.0.1:9/v1"}');
    insert into patient_embeddings select n, 'text ' || n from generate_series(1, 6) n`);
  onTestFinished(async () => {
    await client.query("select autoembed.unwatch('unreached'); drop table unreached");
  });
  const run = async (...args: string[]) => {
    const command = runCommand(args, environment);
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  provider.poison = (text) => text === "text 4";
  provider.poisonStatus = 401;
  const rows = await run("backfill", "--per-row", "--json");
  expect(rows.code).toBe(1);
  expect(rows.stderr).toContain("unreached is left out: ");
  expect(rows.stderr).toMatch(/^patient_embeddings is left out: .*401/m);
  expect(JSON.parse(rows.stdout)).toEqual({ rows: 3, left: 5 });
  const verified = await run("verify");
  expect(verified.stderr).toContain("unreached is left out: ");
  expect(verified.stdout).toContain("patient_embeddings");
  await client.query("update unreached set embedding = '[1,0,0,0,0,0,0,0]'");
  provider.apiKey = "another";
  expect(await run("verify")).toMatchObject({ code: 1, stdout: "" });
});

test("`verify` of a text in chunks whose key is not set here reports its chunks, and names the source of the chunks", async () => {
  const { client, environment, watch } = await prepareChunkedDocuments();
  await watch();
  await client.query("insert into app.documents values (1, 'not cut yet')");
  await client.query(`update autoembed.embedding_source
    set settings = '{"api_key_env": "UNSET_API_KEY"}' where name = 'app.documents_passages'`);
  const command = runCommand(["verify", "--source", "app.documents", "--json"], environment);
  expect(await command.exited).toBe(1);
  expect(command.stderr()).toMatch(/^app\.documents_passages is left out: UNSET_API_KEY is not set/m);
  expect(JSON.parse(command.stdout())).toMatchObject([{ source: "app.documents" }]);
});
