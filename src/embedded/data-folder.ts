import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { UsageError } from "../errors.ts";

/**
 * Makes the folder of the embedded Postgres and its parents.
 * @throws {UsageError} if it cannot be made, or this process may not write in it.
 */
export async function makeDataFolder(folder: string): Promise<void> {
  try {
    await makeFolder(resolve(folder));
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(
      `The data folder ${folder} cannot be used (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
      "In EMBED_DATA_DIR, name a folder that this process may write in, or in DATABASE_URL a Postgres of yours.",
      { cause: error },
    );
  }
}

/** For its owner alone, as Postgres has it. Not Node's recursive `mkdir`: in /proc, where no folder can be made, it never returns, and no signal ends it. */
async function makeFolder(path: string): Promise<void> {
  const parent = dirname(path);
  if (parent !== path && !(await isFolder(parent))) await makeFolder(parent);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (!(await isFolder(path))) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
