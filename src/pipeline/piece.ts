import type { ClaimedRow } from "../queue/claim.ts";

/** One text to embed, and the claimed rows that wait for its vector. */
export interface Piece {
  readonly hash: Buffer;
  readonly text: string;
  readonly tickets: readonly string[];
}

/** Puts rows of equal text together, so that each text is sent once. */
export function toPieces(rows: readonly ClaimedRow[]): Piece[] {
  const pieces = new Map<string, { hash: Buffer; text: string; tickets: string[] }>();
  for (const row of rows) {
    if (row.text_hash === null || row.text === null) continue;
    const id = hashId(row.text_hash);
    const piece = pieces.get(id);
    if (piece === undefined) pieces.set(id, { hash: row.text_hash, text: row.text, tickets: [row.ticket] });
    else piece.tickets.push(row.ticket);
  }
  return [...pieces.values()];
}

/** Puts pieces of equal text together: rows that were claimed one after the other may share a text. */
export function mergeEqual(pieces: readonly Piece[]): Piece[] {
  const merged = new Map<string, Piece>();
  for (const piece of pieces) {
    const id = hashId(piece.hash);
    const tickets = merged.get(id)?.tickets ?? [];
    merged.set(id, { ...piece, tickets: [...tickets, ...piece.tickets] });
  }
  return [...merged.values()];
}

export function hashId(hash: Buffer): string {
  return hash.toString("base64");
}

export function ticketsOf(pieces: readonly Piece[]): string[] {
  return pieces.flatMap((piece) => piece.tickets);
}
