/** Part of the build: makes the archive of a new cluster (cluster-archive.ts), unless it is there or the embedded Postgres is not. */
import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { isInstalled } from "../optional-packages.ts";
import { clusterArchive } from "./cluster-archive.ts";

const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY, BROTLI_MAX_WINDOW_BITS } = constants;
/** Half the size of gzip's, in 0.4 s: the window sees that the three databases of a new cluster are equal. */
const COMPRESSION = { [BROTLI_PARAM_LGWIN]: BROTLI_MAX_WINDOW_BITS, [BROTLI_PARAM_QUALITY]: 5 };

if (isInstalled("@electric-sql/pglite")) {
  const archive = await clusterArchive();
  if (!existsSync(archive)) {
    const tar = await newCluster();
    const part = `${archive}.${String(process.pid)}`;
    await writeFile(part, await promisify(brotliCompress)(tar, { params: COMPRESSION }));
    await rename(part, archive);
  }
}

/** A tar of what initdb makes. The engine that read it is closed without a trace in it: nothing was written but by initdb. */
async function newCluster(): Promise<Uint8Array> {
  const { PGlite } = await import("@electric-sql/pglite");
  const pglite = await PGlite.create();
  try {
    await pglite.query("checkpoint");
    return new Uint8Array(await (await pglite.dumpDataDir("none")).arrayBuffer());
  } finally {
    await pglite.close();
  }
}
