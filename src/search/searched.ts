import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { choose, noneUsable, type Chosen } from "../sources/choose-sources.ts";
import { isSecond } from "../sources/model-change-names.ts";
import { haveTheirNames } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { comparedColumns, type Columns } from "./compared-columns.ts";
import { READABLE, type Condition } from "./filter.ts";
import type { IndexKind } from "./index-kind.ts";
import { searchedIndex } from "./searched-index.ts";
import { regclassOf } from "./vector-index.ts";
import { findWordIndexes } from "./words/find-word-indexes.ts";
import { findLanguage, type Language, type WordIndex } from "./words/word-index.ts";

/** A source, with what a search needs to know of it. */
export interface Searched {
  /** The source whose vectors are compared: of a text in chunks, that of the chunks. */
  readonly source: Source;
  /** The source whose texts are in chunks: each of its rows is found once, by its best chunk. */
  readonly chunkedSource: ChunkedSource | undefined;
  /** Its rows are what a search finds. */
  readonly keyed: Source;
  /** What the index has of the vectors that a search uses; undefined where there is none. */
  readonly index: IndexKind | undefined;
  /** As the planner estimates. */
  readonly vectors: number;
  /** A scan of the index can go on until enough rows pass a filter: pgvector 0.8. */
  readonly canIterate: boolean;
  /** Of the words of its texts, those that this role uses. */
  readonly wordIndexes: readonly WordIndex[];
  /** That of the words of a search that names none: of the oldest index of them, also if this role uses it not, or English. */
  readonly usualLanguage: Language;
  readonly columns: Columns;
  /**
   * What every search requires of a row. Where row-level security may hide rows from this role, what it finds must be found among the
   * others; and with a condition, statements are planned under the search path of the role.
   */
  readonly always: Condition | undefined;
  /** True in SQL, as long as the source is what was loaded. */
  readonly isUnchanged: RawBuilder<boolean>;
}

/**
 * @param name optional where there is only one source, other than the second one of a model change
 * @throws {UsageError} if there are several sources and none is named, or none of that name
 * @throws {SetupError} if the source cannot be worked on
 */
export async function loadSearched(db: Database, name: string | undefined): Promise<Searched> {
  const versions = await readVersions(db);
  const chosen = await choose(db, name, "search");
  const [source, ...others] = name === undefined ? liveSources(chosen) : chosen.sources;
  if (source === undefined) throw noneUsable(chosen.broken);
  const textsOf = ({ id }: Source): ChunkedSource | undefined =>
    chosen.chunked.find(({ embeddedBy }) => embeddedBy === id);
  if (others.length > 0) {
    const names = [source, ...others].map((each) => (textsOf(each) ?? each).name);
    throw new UsageError("Several sources could be searched.", `Name one: ${names.join(", ")}.`);
  }
  return await searchedOf(db, source, textsOf(source), versions);
}

/** Without the second source of a model change, which has the same texts: it is searched by its name alone. */
function liveSources({ sources, chunked, broken }: Chosen): readonly Source[] {
  const names = [...sources, ...chunked, ...broken].map(({ name }) => name);
  return sources.filter(({ name }) => !isSecond(name, names));
}

async function searchedOf(
  db: Database,
  source: Source,
  chunkedSource: ChunkedSource | undefined,
  versions: ReadonlyMap<number, string>,
): Promise<Searched> {
  const involved = [source, ...(chunkedSource === undefined ? [] : [chunkedSource])];
  const loaded = involved.map(
    (each) => sql`(s.id = ${each.id}::int and s.xmin::text = ${versions.get(each.id) ?? ""}
      and ${haveTheirNames(each, "s")})`,
  );
  const keyed = chunkedSource ?? source;
  const indexes = await findWordIndexes(db, keyed);
  const hides = await hidesRows(db, keyed);
  return {
    source,
    chunkedSource,
    keyed,
    index: (await searchedIndex(db, source))?.kind,
    wordIndexes: indexes.flatMap(({ index, isUsed }) => (isUsed ? [index] : [])),
    usualLanguage: indexes[0]?.index.language ?? (await findLanguage(db, "pg_catalog.english")),
    ...(await readSize(db, source)),
    columns: await comparedColumns(db, keyed),
    always: hides || involved.some(({ plansAsRole }) => plansAsRole === true) ? READABLE : undefined,
    // Every change of the row, whatever it is, makes another version of it; a table that is renamed makes none.
    isUnchanged: sql`((select count(*) from autoembed.embedding_source s
      where ${sql.join(loaded, sql` or `)}) = ${sql.lit(involved.length)}
      and ${hiding(keyed)} = ${sql.lit(hides)})`,
  };
}

async function readVersions(db: Database): Promise<Map<number, string>> {
  const { rows } = await sql<{ id: number; version: string }>`
    select s.id, s.xmin::text as version from autoembed.embedding_source s`.execute(db);
  return new Map(rows.map(({ id, version }) => [id, version]));
}

async function readSize(db: Database, source: Source): Promise<Pick<Searched, "vectors" | "canIterate">> {
  const { rows } = await sql<Pick<Searched, "vectors" | "canIterate">>`
    select (select coalesce(sum(greatest(c.reltuples, 0)), 0)::float8
        from pg_class c where c.oid = ${regclassOf(source)}
          or c.oid in (select p.relid from pg_partition_tree(${regclassOf(source)}) p where p.isleaf)) as vectors,
      string_to_array(e.extversion, '.')::int[] >= '{0,8}' as "canIterate"
    from pg_extension e where e.extname = 'vector'`.execute(db);
  return rows[0] ?? { vectors: 0, canIterate: false };
}

async function hidesRows(db: Database, source: Source): Promise<boolean> {
  const { rows } = await sql<{ hides: boolean }>`select ${hiding(source)} as hides`.execute(db);
  return rows[0]?.hides === true;
}

/** Whether row-level security may hide rows from this role. Most tables have none, and that costs nothing to see. */
function hiding({ oid }: Source): RawBuilder<boolean> {
  const table = sql`${sql.lit(String(oid))}::oid`;
  return sql`case when row_security_active(${table}) then coalesce(autoembed.hides_rows(${table}, '{r}'), false) else false end`;
}
