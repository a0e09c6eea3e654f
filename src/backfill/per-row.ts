import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { recordInLedger } from "../ledger/ledger-ctes.ts";
import { vectorHash } from "../ledger/ledger-sql.ts";
import { registerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { withProvider } from "../providers/registry.ts";
import { onTooLong } from "../providers/source-settings.ts";
import {
  hasText,
  keyFits,
  keysOf,
  queueKey,
  rowsWithVectors,
  tableOf,
  vectorTableOf,
  vectorType,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { Progress } from "./progress.ts";

/**
 * Embeds row by row: one request, one update and one commit per row. Only for comparison: it has no queue, no cache,
 * no batches and no retries. Like everything here, it writes no vector to a row whose text has changed since, and enters
 * in the ledger what it has written.
 * @returns the number of rows that received a vector.
 */
export async function backfillPerRow(
  db: Database,
  config: Config,
  source: Source,
  options: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<number> {
  const work = withProvider(config, source, { signal: options.signal }, async (provider) => {
    const { rows } = await sql<Record<string, unknown>>`
      select ${keysOf(source, "t")} from ${rowsWithVectors(source)} t where t.vector is null and ${hasText("t")}`.execute(
      db,
    );
    const model = await registerModel(db, rowModel(provider, onTooLong(config, source)), source.vectorType);
    let done = 0;
    for (const row of rows) {
      if (options.signal.aborted) break;
      done += await embedRow(db, source, model.id, row, async (text) =>
        (await provider.embed([text], "document", options.signal)).vectors.at(0),
      );
      options.progress.show({ done, total: rows.length, chunks: 0, cached: 0, failed: 0, tokens: 0 });
    }
    return done;
  });
  return await work.finally(() => {
    options.progress.end();
  });
}

async function embedRow(
  db: Database,
  source: Source,
  modelId: number,
  row: Record<string, unknown>,
  embed: (text: string) => Promise<Float32Array>,
): Promise<number> {
  const isRow = sql.join(
    source.key.map((column, i) => sql`${sql.ref(column.name)} = ${row[`k${i}`]}`),
    sql` and `,
  );
  // Its own collation may hold two different texts for equal.
  const text = sql`(${sql.raw(source.textExpression)})::text collate "C"`;
  const found = await sql<{
    text: string;
  }>`select ${text} as text from ${tableOf(source)} where ${isRow}`.execute(db);
  const [current] = found.rows;
  if (current === undefined) return 0;
  const vector = `[${(await embed(current.text)).join(",")}]`;
  const column = sql.id(source.vectorColumn);
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  const stored = sql.join([
    ...source.key.map(({ name }, i) => sql`${sql.id(name)} as ${sql.id(`k${i}`)}`),
    sql`${column} as vector`,
  ]);
  const write =
    source.vectorTable === null
      ? sql`
      update ${tableOf(source)} set ${column} = ${vector}::${vectorType(source)}
      where ${isRow} and ${text} = ${current.text} returning ${stored}`
      : sql`
      insert into ${vectorTableOf(source)} (${keys}, ${column})
      select ${keys}, ${vector}::${vectorType(source)} from ${tableOf(source)} where ${isRow} and ${text} = ${current.text}
      on conflict (${keys}) do update set ${column} = excluded.${column} returning ${stored}`;
  const { rows } = await sql`
    with stored as (${write}), written as (
      select ${queueKey(source, "s")} as key, sha256(convert_to(${current.text}::text, 'UTF8')) as text_hash,
        ${vectorHash(source, sql`s.vector`)} as vector_hash
      from stored s where s.vector is not null and ${keyFits(source, "s")}
    ), ${recordInLedger(source, sql`${modelId}::int`)}
    select from stored s where s.vector is not null`.execute(db);
  return rows.length;
}
