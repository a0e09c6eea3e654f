import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepareChunkedDocuments, prose } from "../support/chunked-documents.ts";

test("A dry run of texts in chunks says how many texts are to be cut, whose chunks are not in its figures", async () => {
  const { client, environment, watch, backfill } = await prepareChunkedDocuments();
  await client.query("insert into app.documents select n, $1 || n from generate_series(1, 5) n", [prose(4)]);
  await watch();
  const characters = 5 * (prose(4).length + 1);
  const dryRun = async (...args: string[]) => {
    const command = runCommand(["backfill", "--source", "app.documents", "--dry-run", ...args], environment);
    expect(await command.exited).toBe(0);
    return command.stdout();
  };
  const before = await dryRun("--json");
  expect(JSON.parse(before)).toMatchObject([{ rows: 0, toCut: { texts: 5, characters } }]);
  expect(await dryRun()).toContain(
    `  to cut        5 texts of ${characters} characters: the chunks that are new then are not in these figures\n`,
  );
  await backfill();
  expect(JSON.parse(await dryRun("--json"))).toMatchObject([{ toCut: { texts: 0, characters: 0 } }]);
  expect(await dryRun()).not.toContain("to cut");
  await client.query(`alter table app.documents disable trigger user;
    update app.documents set body = 'Short.' where id = 1; alter table app.documents enable trigger user;
    update app.documents set body = 'Queued.' where id = 2`);
  expect(JSON.parse(await dryRun("--json"))).toMatchObject([{ toCut: { texts: 2, characters: 13 } }]);
  expect(JSON.parse(await dryRun("--json", "--all"))).toMatchObject([{ toCut: { texts: 5 } }]);
});
