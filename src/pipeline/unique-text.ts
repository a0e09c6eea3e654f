/** One text to embed, and the claimed rows that wait for its vector. */
export interface UniqueText {
  /** sha256 of the text in hex. */
  readonly hash: string;
  readonly text: string;
  readonly tickets: readonly string[];
}

export function ticketsOf(texts: readonly UniqueText[]): string[] {
  return texts.flatMap((text) => text.tickets);
}
