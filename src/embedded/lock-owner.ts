import { randomUUID } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";

/** The owner of a lock, as its file describes it. */
export interface Owner {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  /** Distinguishes a process from a later one with the same pid; empty if the system does not provide it. */
  readonly processStart: string;
}

/** A process on another host cannot be checked: it counts as dead after this long without a heartbeat. */
const ABANDONED_MS = 60_000;

/** The ids of the locks that this process owns. */
const held = new Set<string>();

/** Makes this process the owner of one lock, until `disown`. */
export async function newOwner(): Promise<Owner> {
  const id = randomUUID();
  held.add(id);
  return { id, pid: process.pid, host: hostname(), processStart: await startOf(process.pid) };
}

/** Ends the ownership. Call it only after the lock file is removed: until then the lock would look stale. */
export function disown({ id }: Owner): void {
  held.delete(id);
}

/** Whether the owner of the lock at `path` is alive. */
export async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.host !== hostname()) {
    const file = await stat(path).catch(unlessMissing);
    return file !== undefined && Date.now() - file.mtimeMs < ABANDONED_MS;
  }
  if (owner.pid === process.pid) return held.has(owner.id);
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return owner.processStart === (await startOf(owner.pid));
}

/** The owner in the lock file; undefined if there is no lock. */
export async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, "utf8").catch(unlessMissing);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return ILLEGIBLE;
  }
}

/** Stands for the owner in a file that a power failure emptied: treated like a silent process on another host. */
const ILLEGIBLE: Owner = { id: "illegible", pid: 0, host: "a machine that lost its power", processStart: "" };

/** When a process started: the id of the boot, and clock ticks since then. Linux only; empty elsewhere. */
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
