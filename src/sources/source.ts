import type { TableName } from "../database/identifier.ts";

/** A watched text, with everything that the statements over it name. */
export interface Source extends TableName {
  readonly id: number;
  readonly name: string;
  /** Of the watched table. */
  readonly oid: number;
  /** In the order of the parts of the queue's `key`; `type` is SQL, as `format_type` writes it. */
  readonly key: readonly KeyColumn[];
  /** The oid of a unique index over the key. Of a source that is planned there is none. */
  readonly keyIndex?: number;
  /** A type of the key was altered, and what is kept of the rows may have their keys in another spelling. */
  readonly hasAlteredKey?: true;
  /**
   * A row is found by one lookup in an index, whatever size Postgres assumes for the table when it plans: the key is one
   * column, an index begins with it, and no index has it in a later position, which would look as good while the table is
   * small.
   */
  readonly hasSingleKeyLookup: boolean;
  /** SQL over the table's columns. */
  readonly textExpression: string;
  /** The text is a column: computing it runs no function of the user. */
  readonly textIsColumn: boolean;
  /** A text whose expression raises is read as null, with its SQLSTATE as `fault`; slow (see `withPerRowFallback`). */
  readonly evaluatesPerRow?: true;
  /** Statements over it are planned under the search path of the role: an index has a function that finds nothing by ours. */
  readonly plansAsRole?: true;
  /** The column of its vectors does not exist yet: no row has one. Of a source that is planned. */
  readonly hasNoVectors?: true;
  /** The column that tells whose row it is; null where there is none. */
  readonly tenantColumn: string | null;
  /** Its rows are queued with the hash of their tenant: those of a text in chunks, and the chunks too. */
  readonly hasTenants: boolean;
  readonly vectorColumn: string;
  /** The vectors' own table, with the same key; null where they are in the watched table. */
  readonly vectorTable: (TableName & { readonly oid: number }) | null;
  readonly vectorType: "vector" | "halfvec";
  /** The schema that pgvector is in. */
  readonly vectorSchema: string;
  /** The length that the column's type requires; null where it takes any. */
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
  readonly problem: string;
  /** Nobody waits for its changes: they are not in the queue. */
  readonly missesChanges?: true;
}
