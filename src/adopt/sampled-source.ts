import { plannedSource } from "../declared/planned-source.ts";
import type { WantedSource } from "../declared/wanted-source.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { Source } from "../sources/source.ts";
import { findVectorColumn } from "../watch/vector-column.ts";
import { findWanted } from "../declared/wanted-source.ts";
import { quoted } from "../database/identifier.ts";
import type { Found } from "./found.ts";

export interface Sampled {
  /** Its texts and its vectors are what the other tool embedded: rows, or chunks. */
  readonly source: Source;
  /** What a backfill will embed: the rows as they are now, or the texts that are to be cut. */
  readonly toEmbed: Source;
}

/** The other tool's vectors as a source that is read, and written by nobody. */
export async function sampledSource(db: Database, wanted: WantedSource, { kept }: Found): Promise<Sampled> {
  const planned = await plannedSource(db, wanted);
  if (kept.as === "column") {
    if (planned.hasNoVectors === true) throw noColumn(quoted(wanted.table), kept.column);
    return { source: planned, toEmbed: planned };
  }
  const column = await findVectorColumn(db, kept.from, kept.column);
  if (column === undefined) throw noColumn(quoted(kept.from), kept.column);
  const vectors = { vectorColumn: column.name, vectorType: column.type, columnDimensions: column.dimensions };
  if (kept.as === "chunks") {
    const declared = {
      ...wanted.declared,
      columns: undefined,
      chunk: undefined,
      overlap: undefined,
      unit: undefined,
    };
    const chunks = await findWanted(
      db,
      {
        ...declared,
        table: quoted(kept.from),
        text: kept.chunk,
        vector: column.name,
        key: undefined,
        into: undefined,
      },
      [],
    );
    return { source: await plannedSource(db, chunks), toEmbed: planned };
  }
  const { schema, table, oid } = kept.from;
  const { hasNoVectors: _, ...withVectors } = planned;
  const source = { ...withVectors, ...vectors, vectorTable: { schema, table, oid: Number(oid) } };
  return { source, toEmbed: source };
}

function noColumn(table: string, column: string): SetupError {
  return new SetupError(
    `${table} has no column ${column}, so there are no vectors to take over.`,
    "Name the column of the vectors with --vector.",
  );
}
