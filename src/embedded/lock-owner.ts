import { randomUUID } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";

/** Whose a lock is, as its file says. */
export interface Owner {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one with the same pid; empty where the system does not say. */
  readonly processStart: string;
}

/** An owner on another host cannot be looked at: it is believed dead after this long without a heartbeat. */
const SILENCE_MS = 60_000;

/** Those of this very process. */
const held = new Set<string>();

/** This process, alive as the owner of one lock until it is disowned. */
export async function newOwner(): Promise<Owner> {
  const id = randomUUID();
  held.add(id);
  return { id, pid: process.pid, host: hostname(), processStart: await startOf(process.pid) };
}

/** Not before its lock is gone: until then a lock that is not held would be taken for a stale one. */
export function disown({ id }: Owner): void {
  held.delete(id);
}

/** Whether the owner of the lock at `path` lives. */
export async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.host !== hostname()) {
    const file = await stat(path).catch(unlessMissing);
    return file !== undefined && Date.now() - file.mtimeMs < SILENCE_MS;
  }
  if (owner.pid === process.pid) return held.has(owner.id);
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return owner.processStart === (await startOf(owner.pid));
}

/** Undefined where there is no lock. */
export async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, "utf8").catch(unlessMissing);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return ILLEGIBLE;
  }
}

/** Of a file that a loss of power emptied: as an owner elsewhere, who has fallen silent. */
const ILLEGIBLE: Owner = { id: "illegible", pid: 0, host: "a machine that lost its power", processStart: "" };

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
