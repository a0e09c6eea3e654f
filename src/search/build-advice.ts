import { isDatabaseError } from "../database/database-fault.ts";
import { SetupError } from "../errors.ts";
import { DISK_FULL } from "../sqlstate.ts";

/** pgvector's notice while it builds. */
const OUTGROWN = /^hnsw graph no longer fits into maintenance_work_mem after (\d+) tuples/;

/** What a notice of Postgres during a build means; undefined where it is of something else, and not to be repeated. */
export function adviceAt(notice: string): string | undefined {
  const [, vectors] = OUTGROWN.exec(notice) ?? [];
  if (vectors === undefined) return undefined;
  return `after ${vectors} vectors the graph no longer fits into maintenance_work_mem: each of the rest takes several times as long. Let it go on, or cancel it and build with more (--memory).`;
}

/** The error of a build, with what to do where that is known. */
export function explainedBuild(error: unknown): unknown {
  const isOfSharedMemory =
    isDatabaseError(error) && error.code === DISK_FULL && /shared memory segment/.test(error.message);
  if (!isOfSharedMemory) return error;
  return new SetupError(
    "The server has too little shared memory for a parallel build with this maintenance_work_mem (SQLSTATE 53100). No disk is full.",
    "In Docker give Postgres's container more (--shm-size, in compose.yaml shm_size) than maintenance_work_mem, or build with less (--memory 48MB). The next build drops what this one left.",
    { cause: error },
  );
}
