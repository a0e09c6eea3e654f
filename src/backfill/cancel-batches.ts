import { setTimeout as delay } from "node:timers/promises";
import { batchesUnderWay, dropBackfill, haltBackfill, isInBatches, lookSoon } from "../batches/cancel.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { createListener } from "../listener/listener.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { openBatchApi } from "../providers/registry.ts";
import type { Source } from "../sources/source.ts";

const LOOK_MS = 1_000;

export interface Cancelled {
  /** That the provider had. */
  readonly batches: number;
  /** Rows of the backfills that are embedded. */
  readonly done: number;
  /** Batches that are left: it was interrupted. */
  readonly left: number;
}

/**
 * Cancels the batches of these sources and ends their backfills. What the provider has embedded by then is written, since it
 * is paid for, and its files are deleted. An interrupted one embeds nothing more, and goes on when it is asked for again.
 */
export async function cancelBatches(
  db: Database,
  config: Config & { readonly DATABASE_URL: string },
  sources: readonly Source[],
  { onProblem, signal }: { readonly onProblem: (problem: string) => void; readonly signal: AbortSignal },
): Promise<Cancelled> {
  const concerned = [];
  for (const source of sources) if (await isInBatches(db, source)) concerned.push(source);
  const sum = { batches: 0, done: 0, left: 0 };
  if (concerned.length === 0) return sum;
  for (const source of concerned) await haltBackfill(db, source);
  const listener = createListener(config);
  try {
    await listener.start();
    for (const source of concerned) {
      const { batches, left } = await cancelOf(db, config, source, { onProblem, signal });
      sum.batches += batches;
      sum.left += left;
      if (left === 0) sum.done += await dropBackfill(db, source);
    }
  } finally {
    await listener.stop();
  }
  return sum;
}

/** Cancels each batch as soon as the provider has it, and waits until all have ended. */
async function cancelOf(
  db: Database,
  config: Config,
  source: Source,
  { onProblem, signal }: Parameters<typeof cancelBatches>[3],
): Promise<Omit<Cancelled, "done">> {
  const api = await openBatchApi(config, source);
  const cancelled = new Set<string>();
  let last: string | undefined;
  try {
    for (;;) {
      const underWay = await batchesUnderWay(db, source);
      if (underWay.length === 0 || signal.aborted || api === undefined)
        return { batches: cancelled.size, left: underWay.length };
      for (const batch of underWay) {
        if (batch.atProvider === null || cancelled.has(batch.id)) continue;
        try {
          await api.cancel(batch.atProvider, signal);
          cancelled.add(batch.id);
        } catch (error) {
          if (error === signal.reason) break;
          if (!(error instanceof ProviderError)) throw error;
          // One that has ended meanwhile cannot be cancelled: it is over when a listener has looked at it.
          if (error.message !== last) onProblem(`${source.name}: ${error.message}`);
          last = error.message;
        }
        await lookSoon(db, batch);
      }
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await api?.close();
  }
}
