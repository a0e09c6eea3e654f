import type { Database } from "../database/connect.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { ChunkSettings } from "../chunks/chunk-settings.ts";
import { whereVectorsAre } from "../sources/source.ts";

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
  /** Null: the environment's. */
  readonly backend: string | null;
  readonly model: string | null;
  readonly state: "watched" | "paused" | "broken";
  /** Why nothing is embedded, and what to do; null if nothing is wrong. */
  readonly problem: string | null;
}

/** Every source. A source of texts in chunks and the source that embeds the chunks are one entry. */
export async function listSources(db: Database): Promise<ListedSource[]> {
  const { usable, chunked, broken } = await loadSources(db);
  const rows = await db.selectFrom("autoembed.embedding_source").selectAll().orderBy("id").execute();
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
      backend: embedded?.backend ?? null,
      model: embedded?.model ?? null,
      state: source === undefined ? "broken" : row.paused ? "paused" : "watched",
      problem: broken.find(({ id }) => id === row.id)?.problem ?? row.trouble ?? embedded?.trouble ?? null,
    };
  });
}
