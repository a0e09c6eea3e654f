import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "../sources/source.ts";
import { readStaleCounts } from "../status/read-stale-counts.ts";
import { describeStale, updateStale } from "../status/describe-stale.ts";
import { ok, warning, type Finding } from "./finding.ts";

/** Counts the rows of a source that only a backfill embeds. Reads the whole table. */
export async function examineVectors(db: Database, source: Source): Promise<Finding> {
  const counted = await readStaleCounts(db, source);
  if (counted === null) {
    return warning(
      "its rows could not be counted: the table is locked, or may not be read.",
      `Again later: ${invocation("doctor")}`,
    );
  }
  const stale = describeStale(counted);
  if (stale === null) return ok("no row waits for a backfill");
  return warning(`${stale}.`, updateStale(source.name));
}
