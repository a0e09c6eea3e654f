import { beginEmbedding } from "../../src/backfill/begin-work.ts";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";

/** Begins a backfill of every source: the listeners do the rest. */
export async function beginBackfills(databaseUrl: string, isAll = false): Promise<void> {
  const db = connect({ databaseUrl, maxConnections: 1, ownSessions: true });
  try {
    for (const source of (await loadSources(db)).usable) await beginEmbedding(db, source, { isAll });
  } finally {
    await db.destroy();
  }
}
