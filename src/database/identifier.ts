/** Postgres truncates longer names. */
const LONGEST_NAME_BYTES = 63;

/** A table, by its exact spelling. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** A name within Postgres's limit: `start` is shortened so that all of `ending` fits, as in names that Postgres makes. */
export function identifierOf(start: string, ending: string): string {
  const room = Math.max(0, LONGEST_NAME_BYTES - Buffer.byteLength(ending));
  const cut = Buffer.from(start)
    .subarray(0, room)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return Buffer.from(cut + ending)
    .subarray(0, LONGEST_NAME_BYTES)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}

/** A name quoted for SQL, for statements that are composed as text. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A table's name, qualified. */
export function quoted({ schema, table }: TableName): string {
  return `${quote(schema)}.${quote(table)}`;
}

/** The same for people: quoted only where it must be. */
export function sqlName({ schema, table }: TableName): string {
  return [schema, table].map((part) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : quote(part))).join(".");
}
