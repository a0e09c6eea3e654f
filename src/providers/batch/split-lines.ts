import { ProviderError } from "../provider-error.ts";

/** A vector of pgvector's greatest length as indented JSON, with room around it. */
const LONGEST_LINE_BYTES = 2 * 1024 * 1024;
const LINE_FEED = 10;

/** Splits a stream at its line feeds, and holds no more of it than a line and a piece. Empty lines are left out. */
export async function* splitLines(pieces: AsyncIterable<Buffer>, address: string): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf(LINE_FEED); end !== -1; end = piece.indexOf(LINE_FEED, from)) {
      // Most lines are in one piece: a copy of each is memory that is freed late.
      const line =
        begun.length === 0
          ? piece.toString("utf8", from, end)
          : Buffer.concat([...begun, piece.subarray(from, end)]).toString();
      begun = [];
      length = 0;
      from = end + 1;
      if (line.trim() !== "") yield line;
    }
    const rest = piece.subarray(from);
    begun.push(rest);
    length += rest.length;
    if (length > LONGEST_LINE_BYTES)
      throw new ProviderError("unavailable", `${address} has a line that is longer than any vector.`);
  }
  const last = Buffer.concat(begun).toString();
  if (last.trim() !== "") yield last;
}
