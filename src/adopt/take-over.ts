import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { registerModel, type LedgerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { withProvider } from "../providers/with-provider.ts";
import { onTooLong } from "../providers/source-settings.ts";
import { enqueueKeys } from "../queue/enqueue-stale.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { choose } from "../sources/choose-sources.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { Source } from "../sources/source.ts";
import { explainRefusal } from "../watch/explain-refusal.ts";
import { prepareWatch, watchPrepared } from "../watch/watch.ts";
import { adoptRows } from "./adopt-rows.ts";
import { lendChunks } from "./lend-chunks.ts";
import type { AdoptPlan } from "./plan.ts";
import type { Proof } from "./prove.ts";
import { archiveMessages, makeFollow, switchOff, validateFollow } from "./switch-off.ts";

export interface Adopted {
  readonly source: string;
  /** Rows whose vector was taken over. */
  readonly adopted: number;
  /** Rows whose vector was of an old text: a listener, or `drain`, embeds them. */
  readonly queued: number;
  /** Chunks of the other tool whose vector a chunk with the same text takes. */
  readonly lent: number;
}

/**
 * Takes a table over: in one transaction, under the table's lock, the other tool is switched off, the table is watched, and
 * the rows are queued that the other tool knew to be outdated or that the sample has shown to be. After it the vectors are
 * entered in the ledger, page by page. If that is interrupted, the same call continues.
 * @throws {SetupError} and has changed nothing, if the table cannot be watched
 */
export async function takeOver(
  db: Database,
  config: Config,
  plan: AdoptPlan,
  proof: Proof,
  signal: AbortSignal,
): Promise<Adopted> {
  const { found, wanted } = plan;
  const queued = await swap(db, config, plan, proof, signal);
  const { sources, chunked } = await choose(db, wanted.name);
  const [source] = sources;
  if (source === undefined) throw new Error("the source that was made is not there");
  const model = await modelOf(db, config, source, signal);
  const { kept } = found;
  const [texts] = chunked;
  const lent =
    kept.as === "chunks" && texts !== undefined ? await lendChunks(db, plan, { texts, model, proof }) : 0;
  const adopted = kept.as === "chunks" ? 0 : await adoptRows(db, source, { kept, model, signal });
  await validateFollow(db, found);
  return { source: wanted.name, adopted, queued, lent };
}

async function swap(
  db: Database,
  config: Config,
  plan: AdoptPlan,
  proof: Proof,
  signal: AbortSignal,
): Promise<number> {
  const { found, wanted, outdated } = plan;
  const { schema, table } = wanted.table;
  const prepared = await prepareWatch(db, config, plan.watch);
  try {
    return await withTableLock(
      db,
      async (transaction) => {
        await sql`lock table ${sql.id(schema, table)} in share row exclusive mode`.execute(transaction);
        await switchOff(transaction, found, wanted.name);
        await makeFollow(transaction, found, wanted.key);
        await watchPrepared(transaction, prepared);
        const source = await sourceNamed(transaction, wanted.name);
        const disagreeing = found.kept.as === "chunks" ? [] : proof.disagreeing;
        const queued = await enqueueKeys(
          transaction,
          source,
          sql`select o.key from (${outdated}) o union select unnest(${disagreeing}::text[])`,
        );
        await archiveMessages(transaction, found);
        return queued;
      },
      signal,
    );
  } catch (error) {
    throw explainRefusal(error, "adopt");
  }
}

async function sourceNamed(transaction: Database, name: string): Promise<Source | ChunkedSource> {
  const { usable, chunked } = await loadSources(transaction);
  const found =
    chunked.find((source) => source.name === name) ?? usable.find((source) => source.name === name);
  if (found === undefined) throw new Error("the source that was made cannot be worked on");
  return found;
}

async function modelOf(
  db: Database,
  config: Config,
  source: Source,
  signal: AbortSignal,
): Promise<LedgerModel> {
  const dimensions = source.columnDimensions;
  const named = await withProvider(config, source, { dimensions, signal }, (provider) =>
    rowModel(provider, onTooLong(config, source)),
  );
  return await registerModel(db, named, source.vectorType);
}
