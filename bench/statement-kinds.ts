/** What our statements are for, by their text. The first that matches counts. */
const KINDS = [
  {
    kind: "find the rows to embed",
    query: /\b(?:page|unknown) as materialized \(|\bembedding_(?:backfill|page) [bp]\b/,
  },
  { kind: "claim", query: /\bclaimed as (?:materialized )?\(/ },
  {
    kind: "reserve, within the claim",
    query: /insert into autoembed\.embedding_reservation|\bothers as materialized \(/,
  },
  { kind: "write back", query: /\bstored as \(/ },
  { kind: "dequeue alone", query: /delete from autoembed\.embedding_queue/ },
  { kind: "drop reservations", query: /delete from autoembed\.embedding_reservation/ },
  { kind: "heartbeat", query: /\bembedding_listener\b/ },
  { kind: "count what is pending", query: /count\(\*\)[^]*\bembedding_queue\b/ },
] as const;

export type StatementKind = (typeof KINDS)[number]["kind"] | "other";

/** The only one that runs within another statement. */
export const RESERVE = "reserve, within the claim" satisfies StatementKind;
export const CLAIM = "claim" satisfies StatementKind;

export function kindOf(query: string): StatementKind {
  return KINDS.find((known) => known.query.test(query))?.kind ?? "other";
}

/** In the order of a row's way. */
export const STATEMENT_KINDS: readonly StatementKind[] = [...KINDS.map(({ kind }) => kind), "other"];
