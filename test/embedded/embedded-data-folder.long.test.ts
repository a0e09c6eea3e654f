import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DataDirectoryInUse, lockDataDirectory } from "../../src/embedded/data-lock.ts";
import { PortTaken, startEmbedded } from "../../src/embedded/start-embedded.ts";
import { emptySnapshot } from "../support/embedded-database.ts";
import { numberOf, withClient } from "../support/with-client.ts";

let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pg-autoembed-data-"));
});
afterEach(async () => {
  child?.kill("SIGKILL");
  child = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** Starts an embedded Postgres on the folder in another process. */
async function startProcess(): Promise<{ url: string; pid: number }> {
  const main = fileURLToPath(new URL("../support/embedded-main.ts", import.meta.url));
  child = spawn(process.execPath, ["--import", "tsx", main, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (!child.stdout || child.pid === undefined) throw new Error("the process did not start");
  const [url] = (await once(createInterface(child.stdout), "line", {
    signal: AbortSignal.timeout(45_000),
  })) as [string];
  return { url, pid: child.pid };
}

async function countRows(url: string): Promise<number> {
  return withClient(url, (client) => numberOf(client, "select count(*) as n from kept"));
}

test(
  "A process killed by kill -9 loses no acknowledged row, and leaves a lock that the next start takes over",
  { timeout: 120_000 },
  async () => {
    // Making the database here, from the snapshot, is cheaper than in the process.
    await (await startEmbedded({ dataDirectory: folder, snapshot: await emptySnapshot() })).close();
    const first = await startProcess();
    const refused = await startEmbedded({ dataDirectory: folder }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DataDirectoryInUse);
    expect(String(refused)).toContain(`in use by process ${first.pid} on `);

    const client = new pg.Client(first.url);
    client.on("error", () => {});
    await client.connect();
    await client.query("create table kept (id int)");
    let acknowledged = 0;
    const killed = once(child as ChildProcess, "exit");
    for (;;) {
      const inserted = client.query("insert into kept values ($1)", [acknowledged]);
      if (acknowledged === 300) child?.kill("SIGKILL");
      try {
        await inserted;
        acknowledged++;
      } catch {
        break;
      }
    }
    await killed;
    await client.end().catch(() => {});

    const second = await startEmbedded({ dataDirectory: folder });
    // The last insert may have been committed without its answer getting out.
    expect([acknowledged, acknowledged + 1]).toContain(await countRows(second.url));
    await second.close();
  },
);

test("A closed data folder opens again, with everything in it and no lock left", async () => {
  const first = await startEmbedded({ dataDirectory: folder, snapshot: await emptySnapshot() });
  await withClient(first.url, (client) =>
    client.query("create table kept as select generate_series(1, 1000) id"),
  );
  await Promise.all([first.close(), first.close()]);
  await expect(readFile(join(folder, "lock.json"))).rejects.toThrow("ENOENT");
  const second = await startEmbedded({ dataDirectory: folder });
  expect(await countRows(second.url)).toBe(1000);
  await second.close();
});

test("A snapshot starts another database, whose changes are its own", async () => {
  const first = await startEmbedded({ dataDirectory: undefined, snapshot: await emptySnapshot() });
  await withClient(first.url, (client) => client.query("create table kept as select 1 as id"));
  const second = await startEmbedded({ dataDirectory: undefined, snapshot: await first.dumpSnapshot() });
  await withClient(second.url, (client) => client.query("insert into kept values (2)"));
  expect(await countRows(first.url)).toBe(1);
  expect(await countRows(second.url)).toBe(2);
  await Promise.all([first.close(), second.close()]);
});

test("A port that is taken is refused with its number", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await expect(startEmbedded({ dataDirectory: folder, port })).rejects.toThrow(PortTaken);
  await expect(startEmbedded({ dataDirectory: folder, port })).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is in use`,
  );
  server.close();
});

test("A lock is stale when its process is gone or replaced, or its host has fallen silent", async () => {
  const path = join(folder, "lock.json");
  const own = await lockDataDirectory(folder);
  const owner = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  await expect(lockDataDirectory(folder)).rejects.toThrow(DataDirectoryInUse);
  await own.release();

  const parent = process.ppid;
  await writeFile(
    path,
    JSON.stringify({ ...owner, id: "x", pid: parent, processStart: "an earlier boot/1" }),
  );
  await (await lockDataDirectory(folder)).release();

  await writeFile(path, JSON.stringify({ ...owner, id: "x", host: "elsewhere.example" }));
  await expect(lockDataDirectory(folder)).rejects.toThrow("on elsewhere.example");
  const longAgo = new Date(Date.now() - 10 * 60_000);
  await utimes(path, longAgo, longAgo);
  await (await lockDataDirectory(folder)).release();

  await writeFile(path, "");
  await expect(lockDataDirectory(folder)).rejects.toThrow(DataDirectoryInUse);
  await utimes(path, longAgo, longAgo);
  await (await lockDataDirectory(folder)).release();
});

test("Of many starts on a stale lock exactly one wins, also after a start that died as it took the lock over", async () => {
  const path = join(folder, "lock.json");
  const stale = (id: string) => JSON.stringify({ id, pid: 2 ** 22 + 1, host: hostname() });
  for (let round = 0; round < 50; round++) {
    await writeFile(path, stale("x"));
    if (round % 2 === 1) await writeFile(`${path}.after-x`, stale("y"));
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataDirectory(folder)));
    const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    expect(won).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(DataDirectoryInUse);
    await expect(lockDataDirectory(folder)).rejects.toThrow(DataDirectoryInUse);
    await won[0]?.release();
    expect(await readdir(folder)).toEqual([]);
  }
});

test("Dead rows are vacuumed and the log is checkpointed automatically", async () => {
  const postgres = await startEmbedded({
    dataDirectory: undefined,
    snapshot: await emptySnapshot(),
    housekeepingIntervalMs: 50,
  });
  await withClient(postgres.url, async (client) => {
    await client.query(
      "create table busy as select generate_series(1, 1000) id; update busy set id = id + 1",
    );
    await client.query("create table checkpoints as select checkpoint_lsn from pg_control_checkpoint()");
  });
  await expect
    .poll(
      () =>
        withClient(postgres.url, (client) =>
          numberOf(client, "select vacuum_count as n from pg_stat_user_tables where relname = 'busy'"),
        ),
      { interval: 2500 },
    )
    .toBe(1);
  await withClient(postgres.url, async (client) => {
    const moved =
      "select count(*) as n from checkpoints c, pg_control_checkpoint() now where now.checkpoint_lsn > c.checkpoint_lsn";
    expect(await numberOf(client, moved)).toBe(1);
  });
  await postgres.close();
});

test("A data folder that is made is its owner's alone", async () => {
  const made = join(folder, "a", "b");
  const lock = await lockDataDirectory(made);
  await lock.release();
  for (const one of [made, join(folder, "a")]) expect((await stat(one)).mode & 0o077).toBe(0);
});
