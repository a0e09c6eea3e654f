import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { runCommand, type RunningCommand } from "../support/command.ts";

const WITHIN = { timeout: 90_000 };
/** One port for all commands, as for a user who configures nothing. 54329 itself may be taken on this machine. */
const PORT = String(20_000 + (process.pid % 10_000));

async function start(folder: string): Promise<{ command: RunningCommand; url: string }> {
  const command = runCommand(["start"], { EMBED_PORT: PORT }, folder);
  const urlLine = /^postgres:\/\/\S+$/m;
  await expect.poll(() => `${command.stdout()}${command.stderr()}`, WITHIN).toMatch(urlLine);
  return { command, url: urlLine.exec(command.stdout())?.[0] ?? "" };
}

async function query<T extends pg.QueryResultRow>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

const embedded = (url: string) =>
  query<{ patient_id: string }>(
    url,
    "select patient_id from patient_embeddings where embedding is not null order by 1",
  );

test(
  "A start with nothing configured embeds rows in an embedded Postgres, stops cleanly, and goes on after a restart and a kill",
  { timeout: 240_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "autoembed-first-run-"));
    const first = await start(folder);
    await query(first.url, "insert into patient_embeddings values (1, 'type 2 diabetes')");
    await expect.poll(() => embedded(first.url), WITHIN).toEqual([{ patient_id: "1" }]);

    // A second command joins the database that runs, and finds the row.
    const search = runCommand(["search", "diabetes", "--json"], { EMBED_PORT: PORT }, folder);
    expect(await search.exited).toBe(0);
    expect(JSON.parse(search.stdout())).toMatchObject([{ key: "1" }]);
    expect(search.stderr()).toContain("The local model is small");

    const again = runCommand(["start"], { EMBED_PORT: PORT }, folder);
    expect(await again.exited).toBe(1);
    expect(again.stderr()).toContain(`in use by process ${String(first.command.process.pid)}`);

    first.command.process.kill("SIGTERM");
    expect(await first.command.exited).toBe(0);

    const second = await start(folder);
    await query(second.url, "insert into patient_embeddings values (2, 'asthma')");
    await expect.poll(() => embedded(second.url), WITHIN).toEqual([{ patient_id: "1" }, { patient_id: "2" }]);

    // A process that is killed in the middle of a backfill goes on where it stopped.
    await query(
      second.url,
      "insert into patient_embeddings select i, 'patient number ' || i from generate_series(3, 300) i",
    );
    await expect
      .poll(async () => (await embedded(second.url)).length, { ...WITHIN, interval: 20 })
      .toBeGreaterThan(2);
    second.command.process.kill("SIGKILL");
    await second.command.exited;
    const third = await start(folder);
    await expect.poll(async () => (await embedded(third.url)).length, WITHIN).toBe(300);
    third.command.process.kill("SIGINT");
    expect(await third.command.exited).toBe(0);
  },
);

test(
  "A start without a reachable database exits with 1 and names DATABASE_URL, without its password",
  { timeout: 180_000 },
  async () => {
    const nowhere = runCommand(["start"], { DATABASE_URL: "postgres://user:hunter2@127.0.0.1:1/none" });
    expect(await nowhere.exited).toBe(1);
    expect(nowhere.stderr()).toContain("ECONNREFUSED");
    expect(nowhere.stderr()).toContain("DATABASE_URL");
    expect(nowhere.stderr()).not.toContain("hunter2");
  },
);

test.each([
  [["fly"], "There is no command"],
  [["search"], "Say what to search for."],
  [["backfill", "--dry-run", "--sample", "few"], "--sample takes a whole number"],
  [["status", "--jsno"], "jsno"],
])("A command with bad usage (%j) exits with 2 and says what is right", async (args, message) => {
  const command = runCommand(args, {});
  expect(await command.exited).toBe(2);
  expect(command.stderr()).toContain(message);
});
