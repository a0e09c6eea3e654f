import type { Database } from "../database/connect.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { ChunkSettings } from "../chunks/chunk-settings.ts";
import type { ProviderConfig } from "../providers/provider-config.ts";
import type { Sent } from "../providers/roles/sent.ts";
import { whereVectorsAre } from "../sources/source.ts";
import { readStaleCounts } from "./read-stale-counts.ts";
import { sentOf } from "./sent-of.ts";
import type { StaleCounts } from "./source-status.ts";

export interface ListedSource {
  readonly name: string;
  readonly table: string | null;
  readonly key: readonly string[];
  /** SQL over the table's columns. */
  readonly text: string;
  /** `column type(dimensions)`; with schema and table if the vectors are not in the watched table. */
  readonly vector: string | null;
  /** How the text is cut into chunks, each with a vector; null if it is embedded whole. */
  readonly chunks: ChunkSettings | null;
  /** The column that tells whose row it is: tenants are embedded in turn; null if there is none. */
  readonly tenant: string | null;
  /** Null: the environment's. */
  readonly backend: string | null;
  readonly model: string | null;
  /** What goes to the provider with texts and with questions; null where the settings of this process are not known. */
  readonly sent: Sent | null;
  readonly state: "watched" | "paused" | "broken";
  /** Why nothing is embedded, and what to do; null if nothing is wrong. */
  readonly problem: string | null;
  /** As in `SourceStatus`; of texts in chunks, the chunks are counted. Null if the tables cannot be read now. */
  readonly not_queued: number | null;
  readonly old_text: number | null;
  readonly old_setting: number | null;
  readonly adopted: number | null;
}

const NOT_COUNTED = { not_queued: null, old_text: null, old_setting: null, adopted: null } as const;

/**
 * Every source, with what the ledger knows of its vectors: reads every table once. A source of texts in chunks and the
 * source that embeds the chunks are one entry.
 * @param config says what is sent to the providers
 */
export async function listSources(db: Database, config?: ProviderConfig): Promise<ListedSource[]> {
  const { usable, chunked, broken } = await loadSources(db);
  const rows = await db.selectFrom("autoembed.embedding_source").selectAll().orderBy("id").execute();
  const counts = new Map<number, StaleCounts | null>();
  const sent = new Map<number, Sent | null>();
  for (const source of usable) {
    counts.set(source.id, await readStaleCounts(db, source));
    if (config !== undefined) sent.set(source.id, await sentOf(config, source));
  }
  const listed = rows.filter((row) => !chunked.some(({ embeddedBy }) => embeddedBy === row.id));
  return listed.map((row) => {
    const chunkedSource = chunked.find(({ id }) => id === row.id);
    const source = chunkedSource ?? usable.find(({ id }) => id === row.id);
    const embedded =
      chunkedSource === undefined ? row : rows.find(({ id }) => id === chunkedSource.embeddedBy);
    const dimensions = source?.columnDimensions ?? null;
    return {
      name: row.name,
      table: source === undefined ? null : `${source.schema}.${source.table}`,
      key: row.key_columns,
      text: row.text_expression,
      vector:
        source === undefined
          ? null
          : `${source.vectorTable === null ? row.vector_column : whereVectorsAre(source)} ${source.vectorType}${dimensions === null ? "" : `(${dimensions})`}`,
      chunks: chunkedSource?.chunkSettings ?? null,
      tenant: row.tenant_column,
      backend: embedded?.backend ?? null,
      model: embedded?.model ?? null,
      sent: sent.get(embedded?.id ?? row.id) ?? null,
      state: source === undefined ? "broken" : row.paused ? "paused" : "watched",
      problem: broken.find(({ id }) => id === row.id)?.problem ?? row.trouble ?? embedded?.trouble ?? null,
      ...(counts.get(embedded?.id ?? row.id) ?? NOT_COUNTED),
    };
  });
}
