/**
 * What a text is to a search. Models that are made for retrieval embed the texts that are searched otherwise than the
 * questions that they are searched with: a question that is embedded as a document finds the wrong rows.
 */
export type Role = "document" | "query";

/** One value for each role. */
export type PerRole<T> = Readonly<Record<Role, T>>;

/** Fields of a request's body. */
export type Fields = Readonly<Record<string, unknown>>;

/** The same value for both roles. */
export function forBoth<T>(value: T): PerRole<T> {
  return { document: value, query: value };
}
