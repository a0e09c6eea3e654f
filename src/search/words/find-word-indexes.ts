import { sql } from "kysely";
import { isDatabaseError } from "../../database/database-fault.ts";
import type { Database } from "../../database/connect.ts";
import { UsageError } from "../../errors.ts";
import { roleSearchPath } from "../../database/session-settings.ts";
import type { Source } from "../../sources/source.ts";
import { areWordsOfText } from "./are-words-of-text.ts";
import { filledColumns } from "./filled-columns.ts";
import { findLanguage, watchedWords, type WordIndex } from "./word-index.ts";

interface Candidate {
  /** The indexed expression, or the column's name; as SQL. */
  readonly indexed: string;
  /** What a generated column is made of. */
  readonly generated: string | null;
  /** It has some rows only. */
  readonly isPartial: boolean;
  /** The index, and those of partitions: quoted. */
  readonly names: readonly string[];
}

interface FoundIndex {
  readonly index: WordIndex;
  /** Postgres uses none for a role whose rows policies choose. */
  readonly isUsed: boolean;
}

/**
 * The indexes that have the words of a source's texts, the oldest first: on an expression, or on a column that Postgres
 * generates, or its trigger fills. A partial one has them if Postgres uses it for any words. One that cannot be explained to this role, or not without the names that its sessions find, is none.
 */
export async function findWordIndexes(db: Database, source: Source): Promise<FoundIndex[]> {
  const { rows: candidates } = await sql<Candidate>`
    select pg_get_indexdef(i.indexrelid, n, false) as indexed, pg_get_expr(d.adbin, d.adrelid) as generated,
      i.indpred is not null as "isPartial",
      array(select quote_ident(p.relname) from pg_class p
        where p.oid = i.indexrelid or p.oid in (select t.relid from pg_partition_tree(i.indexrelid) t)) as names
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    cross join generate_series(1, i.indnkeyatts) n
    join pg_opclass o on o.oid = i.indclass[n - 1] and o.opcintype = 'tsvector'::regtype
    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[n - 1] and a.attgenerated <> ''
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where i.indrelid = ${source.oid}::int8::oid and m.amname = 'gin' and i.indisvalid
    order by i.indexrelid, n`.execute(db);
  const filled = await filledColumns(db, source);
  const found: FoundIndex[] = [];
  for (const one of candidates) {
    const candidate = { ...one, generated: one.generated ?? filled.get(one.indexed) ?? null };
    const index = await unlessRefused(() => indexOf(db, source, candidate));
    if (index === undefined) continue;
    const isUsed = await unlessRefused(() => isUsedBy(db, source, index, candidate));
    if (isUsed === true || (isUsed === false && !candidate.isPartial)) found.push({ index, isUsed });
  }
  return found;
}

async function indexOf(
  db: Database,
  source: Source,
  { indexed, generated }: Candidate,
): Promise<WordIndex | undefined> {
  const words = generated ?? indexed;
  const [, name] = /'((?:[^']|'')+)'::regconfig/.exec(words) ?? [];
  if (name === undefined) return undefined;
  const language = await findLanguage(db, name.replaceAll("''", "'"));
  const likeness = await db.transaction().execute(async (transaction) => {
    await sql`select ${roleSearchPath}`.execute(transaction);
    return await areWordsOfText(transaction, source, language, words);
  });
  if (likeness === "other") return undefined;
  return { language, words: sql`(${sql.raw(indexed)})`, isExact: likeness === "exact" };
}

/** Undefined where Postgres refuses it: a right or a name is missing. */
async function unlessRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    // A UsageError: the role may not name the text search configuration.
    if (error instanceof UsageError || (isDatabaseError(error) && error.code.startsWith("42")))
      return undefined;
    throw error;
  }
}

async function isUsedBy(
  db: Database,
  source: Source,
  index: WordIndex,
  { names }: Candidate,
): Promise<boolean> {
  return await db.transaction().execute(async (transaction) => {
    if (source.plansAsRole === true) await sql`select ${roleSearchPath}`.execute(transaction);
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
