import { sql, type RawBuilder } from "kysely";
import { isDatabaseError } from "../../database/database-fault.ts";
import type { Database } from "../../database/connect.ts";
import { UsageError } from "../../errors.ts";
import { watchedTexts } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { columnsIn } from "./columns-in.ts";

/** The OID of a text search configuration, in digits: a name could be anything. */
export type Language = string;

/** A GIN index of the words of a source's texts. */
export interface WordIndex {
  readonly language: Language;
  /** What it has of a row, over the columns of the watched table: the words of an expression, or a column that has them. */
  readonly words: RawBuilder<unknown>;
}

/** The words of a text. */
export function wordsOf(language: Language, text: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`to_tsvector(${sql.lit(language)}::regconfig, ${text})`;
}

/** The watched texts as `watchedTexts` has them, with their `words`: those of the index. */
export function watchedWords(
  source: Source,
  { words }: WordIndex,
  condition?: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return watchedTexts(source, condition, sql`, ${words} as words`);
}

interface Candidate {
  /** The indexed expression, or the column's name; as SQL. */
  readonly indexed: string;
  /** What a generated column is made of. */
  readonly generated: string | null;
  /** The index, and those of partitions: quoted. */
  readonly names: readonly string[];
}

/**
 * The indexes that have the words of a source's texts, the oldest first: on an expression, or on a column that Postgres
 * generates, made of the same columns as the text and of no other.
 */
export async function wordIndexes(db: Database, source: Source): Promise<WordIndex[]> {
  const { rows: candidates } = await sql<Candidate>`
    select pg_get_indexdef(i.indexrelid, n, false) as indexed, pg_get_expr(d.adbin, d.adrelid) as generated,
      array(select quote_ident(p.relname) from pg_class p
        where p.oid = i.indexrelid or p.oid in (select t.relid from pg_partition_tree(i.indexrelid) t)) as names
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    cross join generate_series(1, i.indnkeyatts) n
    join pg_opclass o on o.oid = i.indclass[n - 1] and o.opcintype = 'tsvector'::regtype
    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[n - 1] and a.attgenerated <> ''
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where i.indrelid = ${source.oid}::int8::oid and m.amname = 'gin' and i.indisvalid and i.indpred is null
    order by i.indexrelid, n`.execute(db);
  const indexes: WordIndex[] = [];
  const ofText = await columnsIn(db, source, source.textExpression);
  for (const candidate of candidates) {
    const { indexed, generated } = candidate;
    const [, name] = /'((?:[^']|'')+)'::regconfig/.exec(generated ?? indexed) ?? [];
    if (name === undefined || (await columnsIn(db, source, generated ?? indexed)) !== ofText) continue;
    const index = {
      language: await findLanguage(db, name.replaceAll("''", "'")),
      words: sql`(${sql.raw(indexed)})`,
    };
    if (await isUsed(db, source, index, candidate)) indexes.push(index);
  }
  return indexes;
}

/** @throws {UsageError} where no configuration has that name */
export async function findLanguage(db: Database, name: string): Promise<Language> {
  try {
    const { rows } = await sql<{ oid: string }>`select ${name}::text::regconfig::oid::text as oid`.execute(
      db,
    );
    return rows[0]?.oid ?? "";
  } catch (error) {
    if (!isDatabaseError(error) || !/^(?:42|22|3F)/.test(error.code)) throw error;
    throw new UsageError(
      `The text search configuration ${JSON.stringify(name)} does not exist.`,
      "psql lists them by \\dF; english and simple are always there.",
    );
  }
}

/** Postgres uses none for a role whose rows policies choose, nor for one that may not read the columns. */
async function isUsed(
  db: Database,
  source: Source,
  index: WordIndex,
  { names }: Candidate,
): Promise<boolean> {
  return await db.transaction().execute(async (transaction) => {
    await sql`select set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)`.execute(
      transaction,
    );
    const { rows } = await sql<Record<"QUERY PLAN", string>>`
      explain (costs off) select from ${watchedWords(source, index)} t where t.words @@ 'word'::tsquery`.execute(
      transaction,
    );
    const lines = rows.map((row) => row["QUERY PLAN"].trim());
    return lines.some(
      (line, i) =>
        names.some((name) => line.endsWith(`Bitmap Index Scan on ${name}`)) &&
        lines[i + 1]?.includes("@@") === true,
    );
  });
}
