import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { prepare, type Listening } from "../support/listening.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import { CTRL_C, HAS_TERMINAL, openTerminal, type Terminal } from "../support/terminal.ts";

/** A repeated signal counts as a second request from then on. */
const NOT_THE_SAME_MS = 1_200;

/** A listener in a terminal, as `npm start` runs it, with one row in flight that the provider never answers. */
async function startWithRowInFlight(shutdownMs: number): Promise<Listening & { terminal: Terminal }> {
  const on = await prepare({ EMBED_LOG_LEVEL: "info", EMBED_SHUTDOWN_MS: String(shutdownMs) });
  const terminal = openTerminal("npm start", on.environment);
  await expect.poll(terminal.screen).toContain("listening for changes");
  on.provider.always("hang");
  await on.client.query("insert into patient_embeddings values (1, 'in flight')");
  // Claimed, but not sent yet, it would be released at once.
  await expect.poll(() => on.provider.requests.some(({ texts }) => texts.includes("in flight"))).toBe(true);
  expect(await claimedRows(on)).toBe(1);
  return { ...on, terminal };
}

async function claimedRows({ client }: Listening): Promise<number> {
  const { rowCount } = await client.query("select from autoembed.embedding_queue where owner is not null");
  return rowCount ?? 0;
}

const name = "Ctrl-C in a terminal, where npm forwards the signal once more";
const suite = (tests: () => void): void => {
  if (HAS_TERMINAL) describe(name, tests);
  else describe.skip(skippedTitle(name, "needs a pseudo-terminal", "install util-linux on Linux"), tests);
};

suite(() => {
  test("`npm start` releases its rows, logs that it stopped, and exits with 0", async () => {
    const on = await startWithRowInFlight(500);
    on.terminal.type(CTRL_C);
    expect(await on.terminal.exited).toBe(0);
    expect(on.terminal.screen()).toMatch(/stopped[^]*rows_left_pending[^]*1/);
    expect(await claimedRows(on)).toBe(0);
    expect((await on.client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
  });

  test("A Ctrl-C that comes more than a second after the first one ends `npm start` at once", async () => {
    const on = await startWithRowInFlight(60_000);
    on.terminal.type(CTRL_C);
    await expect.poll(on.terminal.screen).toContain("a second signal ends the process at once");
    await delay(NOT_THE_SAME_MS);
    on.terminal.type(CTRL_C);
    expect(await on.terminal.exited).toBe(1);
    expect(on.terminal.screen()).not.toContain("rows_left_pending");
  });

  test("`npm start` on the embedded Postgres leaves no lock, and exits with 0", async () => {
    const folder = await mkdtemp(join(tmpdir(), "autoembed-ctrl-c-"));
    const terminal = openTerminal("npm start", { EMBED_DATA_DIR: folder, EMBED_PORT: "0" });
    await expect.poll(terminal.screen).toContain("The embedded Postgres is ready");
    terminal.type(CTRL_C);
    expect(await terminal.exited).toBe(0);
    expect(terminal.screen()).toContain("stopped");
    expect(await readdir(folder)).toEqual(["cluster"]);
  });

  test.each(["backfill", "verify", "demo", "index patient_embeddings", "status --watch"])(
    "`npm run %s` ends in order, without a stack trace",
    async (command) => {
      const on = await prepare({ EMBED_SHUTDOWN_MS: "500" });
      on.provider.always("hang");
      await on.client
        .query(`insert into patient_embeddings select n, 'text ' || n from generate_series(1, 2000) n;
        update patient_embeddings set embedding = '[1,2,3,4,5,6,7,8]' where patient_id = 1;
        delete from autoembed.embedding_queue where key = '1'`);
      const terminal = openTerminal(`npm run ${command.replace(" ", " -- ")}`, on.environment);
      await expect
        .poll(() => on.provider.counts.requests > 0 || /current|waiting for/.test(terminal.screen()))
        .toBe(true);
      terminal.type(CTRL_C);
      // 130 is of the shell in which npm runs the script.
      expect([0, 1, 130]).toContain(await terminal.exited);
      expect(terminal.screen()).not.toMatch(/\n\s+at /);
      expect(await claimedRows(on)).toBe(0);
      expect((await on.client.query("select from autoembed.embedding_listener")).rowCount).toBe(0);
    },
  );
});
