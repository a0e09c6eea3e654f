import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import { neverNull } from "../../database/never-null.ts";
import { tableOf } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { planIn, type Explained } from "../plan.ts";
import { partsOf, type Parts } from "./parts.ts";
import { wordsOf, type Language } from "./word-index.ts";

/** How the words of an index are those of the text: exactly, in all that is asked for, or not. */
export type Likeness = "exact" | "alike" | "other";

/**
 * Words that are made of other columns, of a part of a column, or of nothing where the text has words, are others: rows would not be found by
 * them, and a row whose words are null passes no `-word`.
 * @param db a transaction whose search path is the role's
 * @param words as SQL over the watched table
 */
export async function areWordsOfText(
  db: Database,
  source: Source,
  language: Language,
  words: string,
): Promise<Likeness> {
  const text = sql`(${sql.raw(source.textExpression)})`;
  // Of two tables, Postgres prints each column with its table, and so apart from names of functions.
  const { rows } = await sql<Explained>`
    explain (verbose, costs off, format yaml) select ${text}, (${sql.raw(words)}), ${wordsOf(language, sql`${text}::text`)}
    from ${tableOf(source)}, (values (1)) as "autoembed other"("autoembed one") where false`.execute(db);
  const [ofText = "", indexed = "", exact] = planIn(rows).output;
  if (indexed === exact) return "exact";
  const [has, wanted] = [partsOf(indexed), partsOf(ofText)];
  if (has === undefined || wanted === undefined) return "other";
  return hasWords(has, wanted, await plainColumns(db, source)) ? "alike" : "other";
}

function hasWords(has: Parts, text: Parts, columns: ReadonlyMap<string, PlainColumn>): boolean {
  return (
    has.configurations.size === 1 &&
    has.columns.size === text.columns.size &&
    [...has.columns].every((column) => text.columns.has(column) && columns.has(column)) &&
    [...has.literals].every((literal) => text.literals.has(literal)) &&
    [...has.nulls].every((column) => text.nulls.has(column) || columns.get(column)?.isNeverNull === true)
  );
}

interface PlainColumn {
  /** Quoted where it has to be. */
  readonly name: string;
  readonly isNeverNull: boolean;
}

/** Texts and numbers: of JSON, `to_tsvector` takes some of the words. */
async function plainColumns(db: Database, { oid }: Source): Promise<Map<string, PlainColumn>> {
  const { rows } = await sql<PlainColumn>`
    select quote_ident(a.attname) as name, ${neverNull("a")} as "isNeverNull"
    from pg_attribute a join pg_type y on y.oid = a.atttypid
    where a.attrelid = ${oid}::int8::oid and a.attnum > 0 and not a.attisdropped and y.typcategory in ('S', 'N')`.execute(
    db,
  );
  return new Map(rows.map((column) => [column.name, column]));
}
