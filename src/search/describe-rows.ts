import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { READ_BY_APPLICATION } from "../database/read-as-json.ts";
import {
  distance,
  isHeldRow,
  isSameRow,
  keyMatches,
  tableOf,
  vectorType,
  watchedTexts,
} from "../sources/source-sql.ts";
import type { Condition } from "./filter.ts";
import type { Ranked } from "./fuse.ts";
import { chunkOf, type Position } from "./nearest.ts";
import type { Hit } from "./search-options.ts";
import { searchedVectors } from "./searched-rows.ts";
import type { Searched } from "./searched.ts";
import { wordsOf, type Language } from "./words/word-index.ts";
import { queryOf } from "./words/word-weights.ts";

export interface Description {
  /** As pgvector writes it; undefined where the question could not be embedded. */
  readonly vector: string | undefined;
  readonly condition: Condition | undefined;
  readonly withText: boolean;
  readonly withSnippet: boolean;
  readonly select: readonly string[];
  readonly asJson: boolean;
  readonly language: Language;
  /** The words of the question, around which snippets are cut. */
  readonly lexemes: readonly string[];
  /** The best chunk of a row is one that has the words; otherwise, the nearest. */
  readonly isHybrid: boolean;
}

/**
 * One snippet of at most so many words, and so many characters where a text has no blanks. Postgres leaves out short words and numbers at
 * its ends, which may be a dose: short words it need not, and a text that is no longer than a snippet is shown whole.
 */
const SNIPPET = 'MaxFragments=1, MaxWords=40, MinWords=20, ShortWord=0, StartSel="", StopSel=""';
const SNIPPET_CHARACTERS = 400;
const SHORT_CHARACTERS = 200;
/** Of a row's chunks, the nearest that are looked through for the words. */
const NEAREST_CHUNKS = 20;

/**
 * What is shown of the ranked rows, in their order, as they are now: a row that was deleted meanwhile, or does not pass the
 * condition any more, is left out.
 * @param db a transaction whose search path is the role's, if there is a condition
 */
export async function describeRows(
  db: Database,
  searched: Searched,
  ranked: readonly Ranked[],
  description: Description,
): Promise<Hit<Record<string, unknown>>[]> {
  const found = await read(db, searched, ranked, description);
  return found.map(({ shown, ...row }) => {
    const { key, score, distance, text, snippet, ...part } = JSON.parse(shown) as Shown;
    const chunk = chunkOf(part);
    const position = chunk === undefined ? {} : { chunk };
    const selected = Object.fromEntries(description.select.map((column, i) => [column, row[`s${i}`]]));
    return { key, score, distance, text, snippet, ...position, row: selected };
  });
}

interface Shown extends Position {
  readonly key: string;
  readonly score: number;
  readonly distance: number | null;
  readonly text: string | null;
  readonly snippet: string | null;
}

/** What is ours is one text: the application's own parsers are for what was selected. */
interface DescribedRow {
  readonly shown: string;
  readonly [selected: `s${number}`]: unknown;
}

async function read(
  db: Database,
  searched: Searched,
  ranked: readonly Ranked[],
  description: Description,
): Promise<readonly DescribedRow[]> {
  const { keyed, columns } = searched;
  const { condition, withText, withSnippet, select, asJson, language, lexemes } = description;
  const selected = select.map((column, i) => {
    const value = sql.id("row", column);
    const shown = asJson && columns.get(column)?.isBestByPostgres === true ? sql`to_json(${value})` : value;
    return sql`, ${shown} as ${sql.id(`s${i}`)}`;
  });
  const row = sql`join ${tableOf(keyed)} as "row" on ${isHeldRow(keyed, "row", "t")}`;
  const words = sql`ts_headline(${sql.lit(language)}::regconfig, p.part, ${queryOf(...lexemes)}, ${SNIPPET})`;
  const snippet = sql`case when length(p.part) <= ${SHORT_CHARACTERS} then p.part else left(${words}, ${SNIPPET_CHARACTERS}) end`;
  const { rows } = await sql<DescribedRow>`${sql.raw(READ_BY_APPLICATION)}
    select pg_catalog.textout(pg_catalog.json_build_object('key', f.key, 'score', f.score,
        'distance', case when p.distance <> 'NaN' then p.distance end,
        'chunk', p.chunk, 'start_char', p.start_char, 'end_char', p.end_char,
        'text', ${withText ? sql`p.part` : sql`null::text`},
        'snippet', ${withSnippet ? snippet : sql`null::text`})::text) as shown
      ${sql.join(selected, sql``)}
    from unnest(${ranked.map(({ key }) => key)}::text[], ${ranked.map(({ score }) => score)}::float8[])
      with ordinality as f(key, score, place)
    join ${watchedTexts(keyed, condition?.(keyed))} t on ${keyMatches(keyed, "t", "f")}
    ${select.length > 0 ? row : sql``}
    cross join lateral (${bestPart(searched, description)}) p
    order by f.place`.execute(db);
  return rows;
}

/** The row `t`, or its best chunk, as `(part, distance, chunk, start_char, end_char)`. */
function bestPart(
  searched: Searched,
  { vector, language, lexemes, isHybrid }: Description,
): RawBuilder<unknown> {
  if (vector === undefined)
    return sql`select t.content as part, null::float8 as distance, null::int as chunk, null::int as start_char, null::int as end_char`;
  const { source, keyed, chunkedSource } = searched;
  const question = sql`${vector}::${vectorType(source)}`;
  const nearest = sql`select t.content, ${distance(source, sql`n.vector`, question)} as distance, n.chunk, n.start_char, n.end_char
    from (select) r left join ${searchedVectors(searched, undefined)} n on ${isSameRow(keyed, "n", "t")} and n.vector is not null`;
  if (chunkedSource === undefined) {
    return sql`select n.content as part, n.distance, n.chunk, n.start_char, n.end_char from (${nearest}) n`;
  }
  const part = sql`coalesce(substr(n.content, n.start_char + 1, n.end_char - n.start_char), n.content)`;
  const rank = sql`ts_rank(${wordsOf(language, sql`c.part`)}, ${queryOf(...lexemes)})`;
  return sql`select c.* from (
      select ${part} as part, n.distance, n.chunk, n.start_char, n.end_char from (${nearest}) n
      order by n.distance limit ${NEAREST_CHUNKS}) c
    order by ${!isHybrid || lexemes.length === 0 ? sql`` : sql`${rank} desc,`} c.distance, c.chunk limit 1`;
}
