import type { TableName } from "../database/identifier.ts";

/** A watched text, with everything that its statements need to name. */
export interface Source extends TableName {
  readonly id: number;
  readonly name: string;
  /** Of the watched table. */
  readonly oid: number;
  /** In the order of the parts of the queue's `key`; `type` is SQL, as `format_type` writes it. */
  readonly key: readonly KeyColumn[];
  /**
   * A row is found by one lookup in an index, whatever Postgres believes of the table when it plans: the key is one column,
   * an index begins with it, and none has it anywhere else, which would look as good while the table is small.
   */
  readonly hasSingleKeyLookup: boolean;
  /** SQL over the table's columns. */
  readonly textExpression: string;
  /** A text whose expression raises is read as null, with the fault beside; slow (see `readingTexts`). */
  readonly evaluatesPerRow?: true;
  readonly vectorColumn: string;
  /** The table of their own that the vectors are kept in, by the same key; null where they are in the watched table. */
  readonly vectorTable: (TableName & { readonly oid: number }) | null;
  readonly vectorType: "vector" | "halfvec";
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
  readonly problem: string;
}
