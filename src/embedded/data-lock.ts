import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { SetupError } from "../errors.ts";

export interface DataLock {
  release(): Promise<void>;
}

interface Owner {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one with the same pid; empty where the system does not say. */
  readonly processStart: string;
}

const HEARTBEAT_MS = 10_000;
/** An owner on another host cannot be looked at: it is believed dead after this long without a heartbeat. */
const SILENCE_MS = 60_000;

export class DataDirectoryInUse extends SetupError {
  constructor(dataDirectory: string, path: string, owner: Owner) {
    super(
      `The data folder ${dataDirectory} is in use by process ${owner.pid} on ${owner.host}. Two at once would destroy it.`,
      `Stop that process, use its database through its connection string, or choose another folder. ` +
        `If no such process runs any more, delete ${path} and start again.`,
    );
  }
}

/**
 * Makes this process the only one that uses a data folder, until it is released or the process is gone: Postgres' own
 * lock does not work in an embedded one, and a second process loses the commits of both.
 * @throws {DataDirectoryInUse}
 */
export async function lockDataDirectory(dataDirectory: string): Promise<DataLock> {
  await mkdir(dataDirectory, { recursive: true });
  const path = join(dataDirectory, "lock.json");
  const own: Owner = {
    id: randomUUID(),
    pid: process.pid,
    host: hostname(),
    processStart: await startOf(process.pid),
  };
  const draft = `${path}.${own.id}`;
  await writeFile(draft, JSON.stringify(own));
  try {
    // A link either makes the whole lock or fails: nobody ever reads half of one.
    while (!(await linked(draft, path))) {
      const owner = await readOwner(path);
      if (!owner) continue;
      if (await isAlive(owner, path)) throw new DataDirectoryInUse(dataDirectory, path, owner);
      await removeStale(path, owner);
    }
  } finally {
    await rm(draft, { force: true });
  }
  held.add(own.id);
  const heartbeat = setInterval(() => {
    utimes(path, new Date(), new Date()).catch(() => {});
  }, HEARTBEAT_MS).unref();
  return {
    release: async () => {
      clearInterval(heartbeat);
      held.delete(own.id);
      if ((await readOwner(path))?.id === own.id) await rm(path, { force: true });
    },
  };
}

/** Locks that this very process holds. */
const held = new Set<string>();

async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.host !== hostname()) return Date.now() - (await stat(path)).mtimeMs < SILENCE_MS;
  if (owner.pid === process.pid) return held.has(owner.id);
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return owner.processStart === (await startOf(owner.pid));
}

/** Moves the stale lock away; if that caught the fresh lock of somebody faster, puts it back. */
async function removeStale(path: string, owner: Owner): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(unlessMissing);
  const moved = await readOwner(aside);
  if (moved && moved.id !== owner.id) await linked(aside, path);
  await rm(aside, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, "utf8").catch(unlessMissing);
  return text === undefined ? undefined : (JSON.parse(text) as Owner);
}

/** When a process started, in clock ticks since the boot that is named with it. Linux only. */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /s, "").split(" ");
    return `${boot.trim()}/${fields[19] ?? ""}`;
  } catch {
    return "";
  }
}

function unlessMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  return undefined;
}
