import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { numberOf } from "../support/with-client.ts";
import { prepareDeclaring, type Declaring } from "../support/declaring.ts";
import { runCommand } from "../support/command.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import { CTRL_C, HAS_TERMINAL, openTerminal, type Terminal } from "../support/terminal.ts";

vi.setConfig({ testTimeout: 240_000 });

const WITHIN = { timeout: 60_000 };
const TABLES = `
  create table shop.tickets (id bigint primary key, subject text, body text);
  create table shop.notes (id bigint primary key, body text);
  insert into shop.tickets select n, 'subject', 'body number ' || n from generate_series(1, 20) n;
  insert into shop.notes values (1, repeat('A sentence of a long note. ', 20))`;
const TICKETS = { table: "shop.tickets", columns: ["subject", "body"], index: true };
const NOTES = { table: "shop.notes", text: "body", into: "note_chunks", chunk: 100 };

const embedded = ({ client }: Declaring): Promise<number> =>
  numberOf(client, "select count(embedding) as n from shop.tickets");
const isWatched = async ({ client }: Declaring): Promise<boolean> =>
  (await client.query("select from autoembed.embedding_source where name like 'shop.%'")).rowCount !== 0;

test("`apply --yes` watches, embeds and indexes what is declared, and then there is no difference", async () => {
  const on = await prepareDeclaring(TABLES);
  await on.declare(TICKETS, NOTES);
  const diff = await on.run("diff");
  expect(diff).toMatchObject({ code: 0, stderr: "" });
  expect(diff.stdout).toContain(
    '  watch     shop.tickets: concat_ws(chr(10), "subject", "body") of "shop"."tickets"\n',
  );
  expect(diff.stdout).toContain("  backfill  shop.tickets: 20 rows; about ");
  expect(diff.stdout).toContain("To do this: npm run apply\n");
  expect((await on.run("diff", "--check")).code).toBe(1);
  expect(await isWatched(on)).toBe(false);

  const applied = await on.run("apply", "--yes");
  expect(applied).toMatchObject({ code: 0 });
  expect(applied.stdout).toMatch(/backfill {2}shop\.tickets: 20 rows in .*\n/);
  expect(applied.stdout).toMatch(/index {5}shop\.tickets: .*\nDone\.\n$/);
  expect(await embedded(on)).toBe(20);
  expect(await numberOf(on.client, "select count(embedding) as n from shop.note_chunks")).toBeGreaterThan(4);

  const again = await on.run("apply", "--yes");
  expect(again.code).toBe(0);
  expect(again.stdout).toContain("No difference");
  expect(again.stdout).not.toContain("watch ");
});

test("`apply` does nothing at all if one of the sources cannot be watched, or if there is nobody to ask", async () => {
  const on = await prepareDeclaring(TABLES);
  expect(await on.run("apply", "--yes")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("There is no autoembed.config.ts in this folder.") as string,
  });
  await on.declare(TICKETS, { table: "shop.none", text: "body" });
  const refused = await on.run("apply", "--yes");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("shop.none: There is no table shop.none.");
  expect(await on.run("apply")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--yes") as string,
  });
  expect(await isWatched(on)).toBe(false);
});

test("After an interrupted backfill `apply` does what is left", async () => {
  const on = await prepareDeclaring(TABLES, { EMBED_SHUTDOWN_MS: "200" });
  await on.declare(TICKETS);
  on.provider.always("hang");
  const interrupted = runCommand(["apply", "--yes"], on.environment, on.folder);
  await expect.poll(() => on.provider.requests.some(({ texts }) => texts.length > 1), WITHIN).toBe(true);
  interrupted.process.kill("SIGINT");
  expect(await interrupted.exited).toBe(1);
  expect(interrupted.stderr()).toContain("Interrupted by SIGINT.");
  expect(await isWatched(on)).toBe(true);
  expect(await embedded(on)).toBe(0);

  on.provider.always(undefined);
  const applied = await on.run("apply", "--yes");
  expect(applied).toMatchObject({ code: 0 });
  expect(applied.stdout).not.toContain("watch ");
  expect(applied.stdout).toMatch(/Done\.\n$/);
  expect(await embedded(on)).toBe(20);
});

const name = "`apply` in a terminal";
const suite = (tests: () => void): void => {
  if (HAS_TERMINAL) describe(name, tests);
  else describe.skip(skippedTitle(name, "needs a pseudo-terminal", "install util-linux on Linux"), tests);
};

suite(() => {
  const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
  const open = async (on: Declaring): Promise<Terminal> => {
    const file = join(on.folder, "autoembed.config.ts");
    const terminal = openTerminal(`node ${cli} apply --config ${file}`, on.environment);
    await expect.poll(terminal.screen, WITHIN).toContain("Do this? (y/N)");
    return terminal;
  };

  test("asks before it does anything: no, an empty answer and Ctrl-C change nothing, and yes does it", async () => {
    const on = await prepareDeclaring(TABLES);
    await on.declare(TICKETS);
    for (const keys of ["n\r", "\r", CTRL_C]) {
      const terminal = await open(on);
      terminal.type(keys);
      expect(await terminal.exited).toBe(1);
      expect(terminal.screen()).not.toMatch(/\n\s+at /);
      expect(await isWatched(on)).toBe(false);
    }
    const terminal = await open(on);
    terminal.type("y\r");
    expect(await terminal.exited).toBe(0);
    expect(terminal.screen()).toContain("Done.");
    expect(await embedded(on)).toBe(20);
  });
});
