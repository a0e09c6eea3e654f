import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "../sources/source.ts";
import { countOutdated } from "../status/count-outdated.ts";
import { describeOutdated, updateOutdated } from "../status/describe-outdated.ts";
import { ok, warning, type Finding } from "./finding.ts";

/** Counts the rows of a source whose vector is of an old text, model or setting. Reads the whole table. */
export async function examineVectors(db: Database, source: Source): Promise<Finding> {
  const counted = await countOutdated(db, source);
  if (counted === null) {
    return warning(
      "its rows could not be counted: the table is locked, or may not be read.",
      `Again later: ${invocation("doctor")}`,
    );
  }
  const outdated = describeOutdated(counted);
  if (outdated === null) return ok("no row is known to have a vector of an old text, model or setting");
  return warning(`${outdated}.`, updateOutdated(source.name));
}
