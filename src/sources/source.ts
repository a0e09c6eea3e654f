/** A table, by its exact spelling. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** A watched text, with everything that its statements need to name. */
export interface Source extends TableName {
  readonly id: number;
  readonly name: string;
  /** Of the watched table. */
  readonly oid: number;
  /** In the order of `embedding_queue.key`; `type` is SQL, as `format_type` writes it. */
  readonly key: readonly KeyColumn[];
  /**
   * A row is found by one lookup in an index, whatever Postgres believes of the table when it plans: the key is one column,
   * an index begins with it, and none has it anywhere else, which would look as good while the table is small.
   */
  readonly hasSingleKeyLookup: boolean;
  /** SQL over the table's columns. */
  readonly textExpression: string;
  /** The text is a column, and computing it runs no function of the user's. */
  readonly textIsColumn: boolean;
  /** A text whose expression raises is read as null, with the fault beside; slow (see `readingTexts`). */
  readonly evaluatesPerRow?: true;
  readonly vectorColumn: string;
  /** The table of their own that the vectors are kept in, by the same key; null where they are in the watched table. */
  readonly vectorTable: (TableName & { readonly oid: number }) | null;
  readonly vectorType: "vector" | "halfvec";
  /** The schema that pgvector is in. */
  readonly vectorSchema: string;
  /** The length that the column's type demands; null where it takes any. */
  readonly columnDimensions: number | null;
  readonly backend: string | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly paused: boolean;
}

export interface KeyColumn {
  readonly name: string;
  readonly type: string;
  /** The schema of its type's own operators: an extension's (`citext`), where it is not `pg_catalog`. */
  readonly operators: string;
}

/** `schema.table.column`, for people. */
export function whereVectorsAre({ vectorColumn, ...source }: Source): string {
  const { schema, table } = source.vectorTable ?? source;
  return `${schema}.${table}.${vectorColumn}`;
}

/** A source that cannot be worked on, and what to do about it. */
export interface BrokenSource {
  readonly id: number;
  readonly name: string;
  readonly trouble: string;
}
