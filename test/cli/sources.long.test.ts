import { expect, test, vi } from "vitest";
import type { ListedSource } from "../../src/status/list-sources.ts";
import { prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { COUNTS, NEW_SETTINGS, prepareOutdatedRows } from "../support/outdated-rows.ts";

vi.setConfig({ testTimeout: 180_000 });

async function sources(environment: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  const command = runCommand(["sources", ...args], environment);
  expect({ code: await command.exited, stderr: command.stderr() }).toEqual({ code: 0, stderr: "" });
  return command.stdout();
}

test("`sources` counts the rows of an old text and of an old setting, and does not count a row of another tool as outdated", async () => {
  const { environment } = await prepareOutdatedRows();
  expect(JSON.parse(await sources(environment, "--json"))).toMatchObject([
    { name: "patient_embeddings", ...COUNTS },
  ]);
  expect(await sources(environment)).toContain(
    "  stale   2 rows have the vector of an old text, 3 rows have a vector of an old model or setting: npm run backfill -- --source patient_embeddings\n",
  );
});

test("`sources` says nothing of old vectors once a backfill has embedded them", async () => {
  const { environment } = await prepareOutdatedRows();
  const settings = { ...environment, ...NEW_SETTINGS };
  expect(await runCommand(["backfill", "--source", "patient_embeddings"], settings).exited).toBe(0);
  expect(JSON.parse(await sources(settings, "--json"))).toMatchObject([
    { old_text: 0, old_setting: 0, adopted: 1 },
  ]);
  expect(await sources(settings)).not.toContain("  stale ");
});

test("Of a text in chunks, `sources` counts the chunks of an old setting", async () => {
  const { client, environment, listen, watch } = await prepareChunkedDocuments();
  await watch();
  const before = await listen();
  await client.query("insert into app.documents values (1, $1)", [prose(6)]);
  await before.whenDrained();
  await before.stop();
  const { rowCount: chunks } = await client.query("select from app.documents_passages");
  expect(chunks).toBeGreaterThan(1);
  const after = await listen(NEW_SETTINGS);
  await client.query("insert into app.documents values (2, 'of the new setting')");
  await after.whenDrained();
  await after.stop();
  const listed = JSON.parse(await sources(environment, "--json")) as ListedSource[];
  expect(listed.find(({ name }) => name === "app.documents")).toMatchObject({
    old_text: 0,
    old_setting: chunks,
    adopted: 0,
  });
});

test("`sources` lists a source whose table was dropped without counts", async () => {
  const { client, environment, watch } = await prepareChunkedDocuments();
  await watch({ table: "app.documents", text: "body", into: undefined, chunks: undefined });
  await client.query("drop table app.documents");
  const listed = JSON.parse(await sources(environment, "--json")) as ListedSource[];
  expect(listed.find(({ name }) => name === "app.documents")).toMatchObject({
    state: "broken",
    old_text: null,
    old_setting: null,
    adopted: null,
  });
});

describeNative("A table that cannot be read now is listed without counts", "needs several sessions", () => {
  test("While a user's transaction has locked a table, `sources` lists it without counts, and `doctor` warns that it was not counted", async () => {
    const { client, environment } = await prepareOutdatedRows();
    await client.query("begin; lock table patient_embeddings in access exclusive mode");
    expect(JSON.parse(await sources(environment, "--json"))).toMatchObject([
      { state: "watched", old_text: null, old_setting: null, adopted: null },
    ]);
    expect(await sources(environment)).toContain("  stale   not counted: the table cannot be read now\n");
    const doctor = runCommand(["doctor"], environment);
    expect(await doctor.exited).toBe(0);
    expect(doctor.stdout()).toContain("warning  patient_embeddings: its rows could not be counted");
  });
});
