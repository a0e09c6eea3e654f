import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { findPgvector, vectorName } from "../database/pgvector.ts";
import { SetupError } from "../errors.ts";
import type { FoundTable } from "./find-table.ts";

export type VectorType = "vector" | "halfvec";

export interface VectorColumn {
  readonly name: string;
  readonly type: VectorType;
  /** Null if the column accepts vectors of any length. */
  readonly dimensions: number | null;
}

/** The most dimensions that HNSW and IVFFlat can index: https://github.com/pgvector/pgvector#hnsw */
export const LONGEST_INDEXED = { vector: 2_000, halfvec: 4_000 } as const;

/** The column, or undefined if the table has none of that name. @throws {SetupError} if the column has another type. */
export async function findVectorColumn(
  db: Database,
  { oid, schema, table }: FoundTable,
  name: string,
): Promise<VectorColumn | undefined> {
  const { rows } = await sql<{ type: string; dimensions: number | null }>`
    select y.typname as type, nullif(a.atttypmod, -1) as dimensions
    from pg_attribute a join pg_type y on y.oid = a.atttypid
    where a.attrelid = ${oid}::oid and a.attname = ${name} and a.attnum > 0 and not a.attisdropped`.execute(
    db,
  );
  const [column] = rows;
  if (column === undefined) return undefined;
  if (column.type !== "vector" && column.type !== "halfvec") {
    throw new SetupError(
      `Column ${name} of ${schema}.${table} is ${column.type}, neither vector nor halfvec.`,
      "Name another column with --vector. A missing column is added.",
    );
  }
  return { name, type: column.type, dimensions: column.dimensions };
}

/** The type with which HNSW can index vectors of that length. */
export function vectorTypeFor(dimensions: number): VectorType {
  return dimensions > LONGEST_INDEXED.vector ? "halfvec" : "vector";
}

/** `extensions.vector(1536)` */
export async function columnType(
  db: Database,
  { type, dimensions }: VectorColumn,
): Promise<RawBuilder<unknown>> {
  const name = vectorName((await findPgvector(db)).schema, type);
  return dimensions === null ? name : sql`${name}(${sql.lit(dimensions)})`;
}

/** Bytes of one vector, as pgvector stores it; 0 where its length is not known: https://github.com/pgvector/pgvector#vector-type */
export function vectorSize(type: string, dimensions: number | null): number {
  return dimensions === null ? 0 : (type === "halfvec" ? 2 : 4) * dimensions + 8;
}
