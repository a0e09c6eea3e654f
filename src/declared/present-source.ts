import type { ChunkSettings } from "../chunks/chunk-settings.ts";
import type { Database } from "../database/connect.ts";
import type { TableName } from "../database/identifier.ts";
import { nextOf, previousOf } from "../sources/model-change-names.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { readSources, type SourceRow } from "../sources/read-sources.ts";
import type { VectorType } from "../watch/vector-column.ts";
import { withoutUser } from "./without-user.ts";

/** A source as the database has it. A text in chunks and the source that embeds the chunks are one. */
export interface PresentSource {
  readonly name: string;
  /** Of the watched table. */
  readonly oid: number;
  /** Null where it was dropped. */
  readonly table: TableName | null;
  readonly key: readonly string[];
  /** SQL over the table's columns. */
  readonly text: string;
  readonly textIsColumn: boolean;
  readonly vector: string;
  /** The table that the vectors are in, where it is not the watched one; "dropped" where it was. */
  readonly into: (TableName & { readonly oid: number }) | "dropped" | null;
  readonly chunks: ChunkSettings | null;
  readonly tenant: string | null;
  /** Of the vector's column; null where it is gone. */
  readonly type: VectorType | null;
  readonly columnDimensions: number | null;
  /** Its address without a user and a password. */
  readonly overrides: ProviderOverrides;
  /** A change of its model that is under way. */
  readonly modelChange: "building" | "switched" | null;
}

/** Every source but those that another one needs: of chunks, and of a model change. */
export async function readPresent(db: Database): Promise<readonly PresentSource[]> {
  const rows = await readSources(db);
  const isNamed = (name: string): boolean => rows.some((row) => row.name === name);
  const changes = rows.flatMap(({ name }) => [nextOf(name), previousOf(name)]);
  return rows
    .filter(({ id, name }) => !rows.some((row) => row.embedded_by === id) && !changes.includes(name))
    .map((row) => {
      const embedding = rows.find(({ id }) => id === row.embedded_by) ?? row;
      const modelChange = isNamed(nextOf(embedding.name))
        ? "building"
        : isNamed(previousOf(embedding.name))
          ? "switched"
          : null;
      return { ...described(row, embedding), modelChange };
    });
}

function described(row: SourceRow, embedding: SourceRow): Omit<PresentSource, "modelChange"> {
  const { schema, table, vector_type: type } = row;
  const { backend, model, dimensions, settings } = embedding;
  return {
    name: row.name,
    oid: row.oid,
    table: schema === null || table === null ? null : { schema, table },
    key: row.key.map(({ name }) => name),
    text: row.text_expression,
    textIsColumn: row.text_is_column,
    vector: row.vector_column,
    into: intoOf(row),
    chunks: row.passages,
    tenant: row.tenant_column,
    type: type === "vector" || type === "halfvec" ? type : null,
    columnDimensions: row.column_dimensions,
    overrides: { backend, model, dimensions, settings: shown(settings) },
  };
}

/** An address may have a password in it, which older versions kept: it is not sent, and is not shown. */
function shown(settings: SourceRow["settings"]): SourceRow["settings"] {
  const { base_url: url } = settings;
  return typeof url === "string" && URL.canParse(url)
    ? { ...settings, base_url: withoutUser(url) }
    : settings;
}

function intoOf({ vector_table: into }: SourceRow): PresentSource["into"] {
  if (into === null) return null;
  const { schema, table, oid } = into;
  return schema === null || table === null ? "dropped" : { schema, table, oid };
}
