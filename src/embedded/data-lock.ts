import { link, mkdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SetupError } from "../errors.ts";
import { disown, isAlive, newOwner, readOwner, type Owner } from "./lock-owner.ts";

export interface DataLock {
  release(): Promise<void>;
}

const HEARTBEAT_MS = 10_000;

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
 * Makes `draft` the lock. A link either makes the whole of it or fails: nobody ever reads half of one. A stale lock is
 * replaced by whoever holds the lock on replacing it, which is named after its owner and taken in the same way: whoever
 * comes later finds another owner's by then, and one who dies at it leaves a stale one.
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
