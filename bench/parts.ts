import type { Part } from "./part.ts";
import { backfill } from "./parts/backfill.ts";
import { batchFile } from "./parts/batch-file.ts";
import { batches } from "./parts/batches.ts";
import { cached } from "./parts/cached.ts";
import { firstStart } from "./parts/first-start.ts";
import { freshness } from "./parts/freshness.ts";
import { growth } from "./parts/growth.ts";
import { hnsw } from "./parts/hnsw.ts";
import { idle } from "./parts/idle.ts";
import { pace } from "./parts/pace.ts";
import { relevance } from "./parts/relevance.ts";
import { search } from "./parts/search.ts";
import { soak } from "./parts/soak.ts";
import { startup } from "./parts/startup.ts";
import { state } from "./parts/state.ts";
import { statements } from "./parts/statements.ts";
import { waits } from "./parts/waits.ts";
import { writes } from "./parts/writes.ts";

export const PARTS: Readonly<Record<string, Part>> = {
  backfill,
  statements,
  cached,
  state,
  hnsw,
  batches,
  "batch-file": batchFile,
  freshness,
  writes,
  waits,
  growth,
  idle,
  search,
  startup,
  "first-start": firstStart,
  relevance,
  pace,
  soak,
};

/** Parts that run only when they are named. */
export const ON_REQUEST = ["batch-file", "relevance", "pace", "soak"];

export const USUAL_PARTS = Object.keys(PARTS).filter((name) => !ON_REQUEST.includes(name));
