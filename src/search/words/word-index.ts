import { sql, type RawBuilder } from "kysely";
import type { Database } from "../../database/connect.ts";
import { watchedTexts } from "../../sources/source-sql.ts";
import { isDatabaseError } from "../../database/database-fault.ts";
import { UsageError } from "../../errors.ts";
import type { Source } from "../../sources/source.ts";

/** The OID of a text search configuration, in digits: a name could be anything. */
export type Language = string;

/** The words of a row's text: what an index of the words has. */
export function wordsOf(language: Language, text: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`to_tsvector(${sql.lit(language)}::regconfig, ${text})`;
}

/**
 * The configurations in which a GIN index has the words of a source's texts, the oldest index first. Whether Postgres would
 * use an index for our expression is asked of Postgres: it compares the expressions as it does when it plans.
 */
export async function indexedLanguages(db: Database, source: Source): Promise<Language[]> {
  const { rows } = await sql<{ definition: string }>`
    select pg_get_indexdef(i.indexrelid) as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    where i.indrelid = ${source.oid}::int8::oid and m.amname = 'gin' and i.indisvalid and i.indpred is null
    order by i.indexrelid`.execute(db);
  const named = rows.flatMap(({ definition }) =>
    [...definition.matchAll(/to_tsvector\('((?:[^']|'')+)'::regconfig/g)].map(([, name = ""]) =>
      name.replaceAll("''", "'"),
    ),
  );
  const used: Language[] = [];
  for (const name of new Set(named)) {
    const language = await findLanguage(db, name);
    if (await usesIndex(db, source, language)) used.push(language);
  }
  return used;
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

async function usesIndex(db: Database, source: Source, language: Language): Promise<boolean> {
  return await db.transaction().execute(async (transaction) => {
    await sql`select set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)`.execute(
      transaction,
    );
    const { rows } = await sql<Record<"QUERY PLAN", string>>`
      explain select from ${watchedTexts(source)} t where ${wordsOf(language, sql`t.content`)} @@ 'word'::tsquery`.execute(
      transaction,
    );
    return rows.some((row) => row["QUERY PLAN"].includes("Bitmap Index Scan"));
  });
}
