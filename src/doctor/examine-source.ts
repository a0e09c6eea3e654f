import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import { Deadline } from "../timing/deadline.ts";
import { withProvider } from "../providers/with-provider.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { isChunked, type ChunkedSource } from "../sources/chunked-source.ts";
import { writeIndexKind } from "../search/index-kind.ts";
import { indexKindOf } from "../search/index-shape.ts";
import { vectorIndexes, type VectorIndex } from "../search/vector-index.ts";
import { missingGrants } from "../sources/missing-grants.ts";
import type { Source } from "../sources/source.ts";
import { examineForeignKey } from "./examine-foreign-key.ts";
import { examineKey } from "./examine-key.ts";
import { examineNamesake } from "./examine-namesake.ts";
import { examineRoles } from "./examine-roles.ts";
import { examineRefusals } from "./examine-refusals.ts";
import { examineTriggers } from "./examine-triggers.ts";
import { examineTrust } from "./examine-trust.ts";
import { examineVectors } from "./examine-vectors.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";

/** With more rows, a search without an index is noticeably slow. */
const ROWS_WORTH_AN_INDEX = 10_000;

/** Checks one source's triggers and grants; if it embeds, also its index, its provider and its vectors. */
export async function examineSource(
  db: Database,
  config: Config,
  source: Source | ChunkedSource,
): Promise<Finding[]> {
  const granted = await grants(db, source);
  return [
    ...(await examineTriggers(db, source)),
    ...(await examineNamesake(db, source)),
    granted,
    ...(await examineKey(db, source)),
    ...(await examineRefusals(db, source)),
    ...(await examineTrust(db, source)),
    ...(await examineForeignKey(db, source)),
    ...(isChunked(source) ? [] : [...(await indexes(db, source)), ...(await provider(config, source))]),
    ...(isChunked(source) || granted.level === "problem" ? [] : [await examineVectors(db, source)]),
    ...(source.paused
      ? [warning(`${source.name} is paused.`, `To go on: ${invocation("resume", [source.name])}`)]
      : []),
  ].map((finding) => ({ ...finding, what: `${source.name}: ${finding.what}` }));
}

async function grants(db: Database, source: Source): Promise<Finding> {
  const missing = await missingGrants(db, source);
  return missing === null
    ? ok("the role may read it and write its vectors")
    : problem(`the role ${missing.role} may not read it or may not write its vectors.`, missing.grants);
}

async function indexes(db: Database, source: Source): Promise<Finding[]> {
  const found = await vectorIndexes(db, source);
  const invalid = found.filter(({ valid }) => !valid);
  if (invalid.length > 0) {
    return invalid.map(({ name }) =>
      problem(
        `index ${name} is invalid: its build was interrupted. It slows writes and serves no search.`,
        `${invocation("index", [source.name])} (builds it again)`,
      ),
    );
  }
  if (found.length > 0)
    return [ok(`vectors are indexed by ${found.map((index) => described(source, index)).join(", ")}`)];
  const vectors = source.vectorTable ?? source;
  const { rows } = await sql<{ rows: number }>`
    select greatest(reltuples, 0)::float8 as rows from pg_class
    where oid = format('%I.%I', ${vectors.schema}::text, ${vectors.table}::text)::regclass`.execute(db);
  if ((rows[0]?.rows ?? 0) < ROWS_WORTH_AN_INDEX)
    return [ok("no index on the vectors, and too few rows to need one")];
  return [
    warning(
      "no index on the vectors: every search reads the whole table.",
      invocation("index", [source.name]),
    ),
  ];
}

/** An index's name, and its kind if its order is not the exact one. */
function described(source: Source, index: VectorIndex): string {
  const kind = indexKindOf(source, index);
  return kind === undefined || kind.kind === "full" ? index.name : `${index.name} (${writeIndexKind(kind)})`;
}

async function provider(config: Config, source: Source): Promise<Finding[]> {
  // A request has its own time limit, which says more: this one is for several of them.
  using deadline = new Deadline(undefined, 2 * config.EMBEDDING_TIMEOUT);
  try {
    return await withProvider(config, source, { signal: deadline.signal }, async (opened) => {
      checkDimensions(source, opened);
      return [
        ok(`${opened.model} (${opened.backend}) answers with vectors of ${opened.dimensions} dimensions`),
        ...(await examineRoles(config, source)),
      ];
    });
  } catch (error) {
    if (error instanceof SetupError) return [problem(error.message, error.remedy)];
    if (error instanceof ProviderError || deadline.expired) {
      return [
        problem(
          error instanceof ProviderError
            ? error.message
            : `its provider has not answered within ${2 * config.EMBEDDING_TIMEOUT} ms.`,
          'docs/providers.md, "What the provider did, what you will see, what to do". Rows wait until it works again, and none is lost.',
        ),
      ];
    }
    throw error;
  }
}
