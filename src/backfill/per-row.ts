import { sql, type RawBuilder } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { recordInLedger } from "../ledger/ledger-ctes.ts";
import { vectorHash } from "../ledger/ledger-sql.ts";
import { registerModel, type LedgerModel } from "../ledger/model.ts";
import { cutToCharacters } from "../providers/cut-text.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { ProviderError } from "../providers/provider-error.ts";
import type { Provider } from "../providers/provider.ts";
import { withProvider } from "../providers/with-provider.ts";
import { onTooLong } from "../providers/source-settings.ts";
import { keyTexts, type KeyTexts } from "../sources/key-order.ts";
import {
  contentOf,
  hasText,
  keyFits,
  keyOperator,
  keysOf,
  queueKey,
  rowsWithVectors,
  tableOf,
  vectorTableOf,
  vectorType,
  watchedTexts,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { Progress } from "./progress.ts";

export interface PerRowCount {
  /** Rows that received a vector. */
  rows: number;
  /** Rows with a text and without a vector: changed meanwhile, too long, refused, or not reached. */
  left: number;
}

/**
 * Embeds row by row: one request, one update and one commit per row. Only for comparison: it has no queue, no cache and
 * no batches. Like everything here, it sends no text that is blank or too long, writes no vector to a row whose text has
 * changed since, and enters in the ledger what it has written. It adds to `count` row by row, so that an error loses none.
 */
export async function backfillPerRow(
  db: Database,
  config: Config,
  source: Source,
  options: { readonly progress: Progress; readonly count: PerRowCount; readonly signal: AbortSignal },
): Promise<void> {
  const { progress, count, signal } = options;
  const { rows } = await sql<{ key: KeyTexts }>`
    select ${keyTexts(source, "t")} as key from ${rowsWithVectors(source)} t where t.vector is null and ${hasText("t")}`.execute(
    db,
  );
  count.left += rows.length;
  const work = withProvider(config, source, { signal, isPatient: true }, async (provider) => {
    const tooLong = onTooLong(config, source);
    const model = await registerModel(db, rowModel(provider, tooLong), source.vectorType);
    let done = 0;
    for (const { key } of rows) {
      if (signal.aborted) break;
      const text = await textToSend(db, source, key, tooLong === "truncate", provider.limits.textCharacters);
      if (text !== undefined && (await embedRow(db, source, model, provider, { key, ...text }, signal))) {
        done++;
        count.rows++;
        count.left--;
      }
      progress.show({ done, total: rows.length, chunks: 0, cached: 0, failed: 0, tokens: 0 });
    }
  });
  await work.finally(() => {
    progress.end();
  });
}

interface Text {
  readonly whole: string;
  readonly sent: string;
}

/** What is sent of a row's text as it is now; undefined where that is nothing. */
async function textToSend(
  db: Database,
  source: Source,
  key: KeyTexts,
  mayCut: boolean,
  characters: number,
): Promise<Text | undefined> {
  const { rows } = await sql<{ text: string }>`
    select t.content as text from ${watchedTexts(source, isRow(source, key))} t where ${hasText("t")}`.execute(
    db,
  );
  const whole = rows[0]?.text;
  if (whole === undefined) return undefined;
  const sent = cutToCharacters(whole, characters);
  return sent === whole || mayCut ? { whole, sent } : undefined;
}

/** @returns false where the provider refuses the text, or the row has changed since */
async function embedRow(
  db: Database,
  source: Source,
  model: LedgerModel,
  provider: Provider,
  { key, whole, sent }: Text & { readonly key: KeyTexts },
  signal: AbortSignal,
): Promise<boolean> {
  const embedded = await provider.embed([sent], "document", signal).catch(undefinedIfRefused);
  if (embedded === undefined) return false;
  const vector = sql`${`[${embedded.vectors.at(0).join(",")}]`}::${vectorType(source)}`;
  const column = sql.id(source.vectorColumn);
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  const stored = sql.join([
    ...source.key.map(({ name }, i) => sql`${sql.id(name)} as ${sql.id(`k${i}`)}`),
    sql`${column} as vector`,
  ]);
  // Another collation may hold two different texts for equal.
  const isUnchanged = sql`${isRow(source, key)} and (${contentOf(source)}) collate "C" = ${whole}`;
  const write =
    source.vectorTable === null
      ? sql`update ${tableOf(source)} set ${column} = ${vector} where ${isUnchanged} returning ${stored}`
      : sql`
      insert into ${vectorTableOf(source)} (${keys}, ${column})
      select ${keys}, ${vector} from ${tableOf(source)} where ${isUnchanged}
      on conflict (${keys}) do update set ${column} = excluded.${column} returning ${stored}`;
  const { rows } = await sql`
    with stored as (${write}), written as (
      select ${queueKey(source, "s")} as key, sha256(convert_to(${whole}::text, 'UTF8')) as text_hash,
        ${vectorHash(source, sql`s.vector`)} as vector_hash
      from stored s where s.vector is not null and ${keyFits(source, "s")}
    ), ${recordInLedger(source, sql`${model.id}::int`)}
    select ${keysOf(source, "s")} from stored s where s.vector is not null`.execute(db);
  return rows.length > 0;
}

function undefinedIfRefused(error: unknown): undefined {
  if (error instanceof ProviderError && error.kind === "row") return undefined;
  throw error;
}

/** Over the table's own columns. */
function isRow(source: Source, key: KeyTexts): RawBuilder<unknown> {
  const columns = source.key.map(
    (column, i) =>
      sql`${sql.id(column.name)} ${keyOperator(column, "=")} ${key[i]}::text::${sql.raw(column.type)}`,
  );
  return sql.join(columns, sql` and `);
}
