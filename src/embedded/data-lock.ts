import { link, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SetupError } from "../errors.ts";
import { makeDataFolder } from "./data-folder.ts";
import { disown, isAlive, newOwner, readOwner, type Owner } from "./lock-owner.ts";

export interface DataLock {
  release(): Promise<void>;
}

const HEARTBEAT_MS = 10_000;

export class DataDirectoryInUse extends SetupError {
  constructor(dataDirectory: string, path: string, owner: Owner) {
    super(
      `The data folder ${dataDirectory} is in use by process ${owner.pid} on ${owner.host}. Two processes at once would destroy it.`,
      `Stop that process, use its database through its connection string, or choose another folder. ` +
        `If no such process runs any more, delete ${path} and start again.`,
    );
  }
}

/**
 * Makes this process the only one that uses a data folder, until it releases the lock or ends. Postgres' own lock does
 * not work in the embedded Postgres, and a second process would lose the commits of both.
 * @throws {DataDirectoryInUse}
 * @throws {UsageError} if the folder cannot be made or written
 */
export async function lockDataDirectory(dataDirectory: string): Promise<DataLock> {
  await makeDataFolder(dataDirectory);
  const path = join(dataDirectory, "lock.json");
  const own = await newOwner();
  const draft = `${path}.${own.id}`;
  try {
    await writeFile(draft, JSON.stringify(own));
    await take(path, draft, dataDirectory);
  } catch (error) {
    disown(own);
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const heartbeat = setInterval(() => {
    utimes(path, new Date(), new Date()).catch(() => {});
  }, HEARTBEAT_MS).unref();
  return {
    release: async () => {
      clearInterval(heartbeat);
      if ((await readOwner(path))?.id === own.id) await rm(path, { force: true });
      disown(own);
    },
  };
}

/**
 * Makes `draft` the lock. A link is created whole or not at all, so no process ever reads half a lock. To replace a
 * stale lock, a process must hold a second lock, which is named after the stale lock's owner and taken in the same way.
 * A process that comes later then finds a new owner in the first lock; one that dies meanwhile leaves a stale second lock.
 * @throws {DataDirectoryInUse}
 */
async function take(path: string, draft: string, dataDirectory: string): Promise<void> {
  while (!(await linked(draft, path))) {
    const owner = await readOwner(path);
    if (!owner) continue;
    if (await isAlive(owner, path)) throw new DataDirectoryInUse(dataDirectory, path, owner);
    const replacing = `${path}.after-${owner.id}`;
    await take(replacing, draft, dataDirectory);
    if ((await readOwner(path))?.id === owner.id) {
      await rename(replacing, path);
      return;
    }
    await rm(replacing);
  }
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
