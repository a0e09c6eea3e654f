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
  /** `column type(dimensions)`; with its schema and table where that is not the watched one. */
  readonly vector: string | null;
  /** How the text is cut into passages, each with a vector; null where it is embedded whole. */
  readonly passages: ChunkSettings | null;
  /** Null: as the environment says. */
  readonly backend: string | null;
  readonly model: string | null;
  readonly state: "watched" | "paused" | "broken";
  /** Why nothing is embedded, and what to do. */
  readonly trouble: string | null;
}

/** Every source; one that embeds the passages of another is part of that. */
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
      passages: chunkedSource?.passages ?? null,
      backend: embedded?.backend ?? null,
      model: embedded?.model ?? null,
      state: source === undefined ? "broken" : row.paused ? "paused" : "watched",
      trouble: broken.find(({ id }) => id === row.id)?.trouble ?? row.trouble ?? embedded?.trouble ?? null,
    };
  });
}
