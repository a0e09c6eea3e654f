import type { ClaimedRow } from "../queue/claim.ts";

/** One text to embed, and the claimed rows that wait for its vector. */
export interface UniqueText {
  /** sha256 of the text in hex. */
  readonly hash: string;
  readonly text: string;
  readonly tickets: readonly string[];
}

/** Puts rows of equal text together, so that each text is sent once. */
export function groupByText(rows: readonly ClaimedRow[]): UniqueText[] {
  const pieces = new Map<string, { hash: string; text: string; tickets: string[] }>();
  for (const row of rows) {
    if (row.text_hash === null || row.text === null) continue;
    const piece = pieces.get(row.text_hash);
    if (piece === undefined)
      pieces.set(row.text_hash, { hash: row.text_hash, text: row.text, tickets: [row.ticket] });
    else piece.tickets.push(row.ticket);
  }
  return [...pieces.values()];
}

/** Lets rows join the piece of their text: those that were claimed one after the other may share one. @returns also the rows that no piece is for. */
export function mergeRows(
  pieces: readonly UniqueText[],
  rows: readonly ClaimedRow[],
): { readonly pieces: readonly UniqueText[]; readonly others: readonly ClaimedRow[] } {
  if (rows.length === 0) return { pieces, others: rows };
  const joined = new Map(pieces.map((piece) => [piece.hash, piece]));
  const others = rows.filter((row) => {
    const piece = joined.get(row.text_hash ?? "");
    if (piece === undefined) return true;
    joined.set(piece.hash, { ...piece, tickets: [...piece.tickets, row.ticket] });
    return false;
  });
  return { pieces: [...joined.values()], others };
}

export function ticketsOf(pieces: readonly UniqueText[]): string[] {
  return pieces.flatMap((piece) => piece.tickets);
}
