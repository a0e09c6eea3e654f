import { createReadStream, existsSync } from "node:fs";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";
import { untar } from "./untar.ts";

const POSTGRES = "@electric-sql/pglite";

/**
 * Where the build keeps a new, empty cluster: 1.6 MB for 40 MB. It is of one version of the embedded Postgres; with another
 * version installed no such file is found, and the cluster is made by initdb.
 */
export async function clusterArchive(): Promise<string> {
  const packageFile = join(dirname(createRequire(import.meta.url).resolve(POSTGRES)), "../package.json");
  const { version } = JSON.parse(await readFile(packageFile, "utf8")) as { version: string };
  // The built file also where this module runs from source, as in tests.
  const built = fileURLToPath(import.meta.url).replace(/src([\\/]embedded[\\/][^\\/]*)$/, "dist$1");
  return join(dirname(built), `cluster-${version}.tar.br`);
}

/**
 * Makes the folder of a new cluster from the archive: in place of initdb, which takes 2 s and half a gigabyte. Does nothing
 * where there is no archive, or something is in the folder. A start that is killed leaves no half of a cluster behind.
 */
export async function unpackCluster(folder: string): Promise<void> {
  const archive = await clusterArchive();
  if (!existsSync(archive) || !(await isMissingOrEmpty(folder))) return;
  const part = `${folder}.new`;
  await rm(part, { recursive: true, force: true });
  await pipeline(createReadStream(archive), createBrotliDecompress(), (tar: AsyncIterable<Buffer>) =>
    untar(tar, part),
  );
  await rm(folder, { recursive: true, force: true });
  try {
    await rename(part, folder);
  } catch (error) {
    if (!HELD_OPEN.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    // Then a new cluster is made in the folder, which takes longer.
    await rm(part, { recursive: true, force: true });
  }
}

/** Of Windows, while a virus scanner or an indexer has one of the files open. */
const HELD_OPEN = new Set(["EPERM", "EACCES", "EBUSY"]);

async function isMissingOrEmpty(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}
