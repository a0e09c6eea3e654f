import { sql, type RawBuilder } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { identifierOf, quoted } from "../database/identifier.ts";
import type { DeclaredSource } from "../declared/declared-source.ts";
import { estimateBackfill, type Estimate, type NoEstimate } from "../declared/estimate-backfill.ts";
import { findWanted, watchOptions, type WantedSource } from "../declared/wanted-source.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { explainRefusal } from "../watch/explain-refusal.ts";
import type { WatchOptions } from "../watch/watch.ts";
import { countAdoptable, type AdoptableRows } from "./count-adoptable.ts";
import { isSameRow, queueKey, watchedTexts } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { Found, Kept } from "./found.ts";
import { sampledSource, type Sampled } from "./sampled-source.ts";

export interface AdoptOptions {
  /** The source's own name, provider and model, and how texts are cut; what was found says the rest. */
  readonly declared: Partial<
    Pick<
      DeclaredSource,
      "name" | "into" | "backend" | "model" | "dimensions" | "settings" | "chunk" | "overlap" | "unit"
    >
  >;
  /** SQL over the table's columns: rows whose vector is of an old text, or of another model. */
  readonly outdated: string | undefined;
}

/** What taking over would do. */
export interface AdoptPlan {
  readonly found: Found;
  readonly wanted: WantedSource;
  /** What `watch` is called with. */
  readonly watch: WatchOptions;
  /** The other tool's vectors with their texts. */
  readonly sampled: Sampled;
  /** Selects the `key` of rows that are to be embedded, whatever vector they have. */
  readonly outdated: RawBuilder<unknown>;
  readonly rows: AdoptableRows;
  /** What a backfill takes after it; null if there is nothing left to embed. */
  readonly estimate: Estimate | NoEstimate | null;
}

/**
 * Reads what is there, and counts. It sends nothing and writes nothing.
 * @throws {SetupError} if the table cannot be watched so, or there is no vector to take over
 */
export async function planAdoption(
  db: Database,
  config: Config,
  found: Found,
  { declared, outdated }: AdoptOptions,
  signal: AbortSignal,
): Promise<AdoptPlan> {
  const wanted = await findWanted(db, declarationOf(found, declared), []);
  await refuseUnwatchable(db, wanted);
  const sampled = await sampledSource(db, wanted, found);
  const outdatedKeys = union([
    ...found.outdated,
    ...(outdated === undefined ? [] : [await keysOf(db, wanted, outdated)]),
    ...(found.kept.as === "copy" ? [keysOfOtherText(sampled.source, found.kept)] : []),
  ]);
  const rows = await countAdoptable(db, sampled.source, outdatedKeys);
  if (rows.withVector === 0) {
    throw new SetupError(
      `No row of ${quoted(wanted.table)} has a text and a vector of ${found.tool} that is current: there is nothing to take over.`,
      `Watch the table: ${invocation("watch", [quoted(wanted.table), "--text", wanted.text])}`,
    );
  }
  const isUncut = found.kept.as === "chunks";
  return {
    found,
    wanted,
    watch: watchOptions(wanted, wanted.overrides),
    sampled,
    outdated: outdatedKeys,
    rows,
    estimate: await estimateBackfill(db, config, { source: sampled.toEmbed, isUncut }, signal),
  };
}

function declarationOf(
  { table, text, key, kept }: Found,
  declared: AdoptOptions["declared"],
): DeclaredSource {
  const own = { table: quoted(table), text, ...declared, ...(key === undefined ? {} : { key }) };
  switch (kept.as) {
    case "column":
      return { ...own, vector: kept.column };
    case "table":
      return { ...own, vector: kept.column, into: quoted(kept.from) };
    case "copy":
      return { ...own, into: declared.into ?? identifierOf(table.table, "_embeddings") };
    case "chunks":
      return {
        ...own,
        into: declared.into ?? identifierOf(table.table, "_chunks"),
        chunk: declared.chunk ?? kept.length,
      };
  }
}

/**
 * What `watch` would refuse, before anything is sent. Tables that are still to be made are checked when they are. A source
 * that an interrupted call has made is found again.
 */
async function refuseUnwatchable(
  db: Database,
  { name, table, key, text, vector, into }: WantedSource,
): Promise<void> {
  const { rows } = await sql<{ is_same: boolean }>`
    select s.watched_table = ${table.oid}::oid and s.text_expression = ${text} and s.vector_column = ${vector} as is_same
    from autoembed.embedding_source s where s.name = ${name}`.execute(db);
  if (rows[0]?.is_same === false) {
    throw new SetupError(
      `Another source is called ${name} already.`,
      `Give this one another --name. What is watched: ${invocation("sources")}`,
    );
  }
  if (into !== null) return;
  try {
    await sql`select autoembed.wanted_source(${table.oid}::oid::regclass, ${text}, ${key}::text[],
      ${vector}, ${name}, null, null, null, '{}', null, null, null)`.execute(db);
  } catch (error) {
    throw explainRefusal(error, "adopt");
  }
}

/** The keys of the rows that fulfil the user's condition. @throws {SetupError} if it is none */
async function keysOf(
  db: Database,
  { table, key }: WantedSource,
  condition: string,
): Promise<RawBuilder<unknown>> {
  const texts = sql.join(key.map((column) => sql`${sql.id(table.table, column)}::text`));
  const queueKey = key.length === 1 ? texts : sql`jsonb_build_array(${texts})::text`;
  const keys = sql`select ${queueKey} as key from ${sql.id(table.schema, table.table)} where (${sql.raw(condition)})`;
  try {
    await sql`select from (${keys}) k limit 0`.execute(db);
  } catch (error) {
    throw explainRefusal(error, "read --outdated");
  }
  return keys;
}

/** The rows that no longer have the text that their vector is of. */
function keysOfOtherText(
  source: Source,
  { from, ofText }: Extract<Kept, { as: "copy" }>,
): RawBuilder<unknown> {
  const named = sql.join(source.key.map((column, i) => sql`${sql.id(column.name)} as ${sql.id(`k${i}`)}`));
  return sql`select ${queueKey(source, "t")} as key from ${watchedTexts(source)} t
    join (select ${named}, ${sql.id(ofText)} as of_text from ${sql.id(from.schema, from.table)}) v
      on ${isSameRow(source, "v", "t")}
    where v.of_text is distinct from t.content`;
}

function union(selects: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  if (selects.length === 0) return sql`select null::text as key where false`;
  return sql`select o.key from (${sql.join(selects, sql` union all `)}) o where o.key is not null`;
}
