/** ICU's rules for one fixed locale, so that every process cuts the same way. */
const SEGMENTERS = {
  sentence: new Intl.Segmenter("en", { granularity: "sentence" }),
  word: new Intl.Segmenter("en", { granularity: "word" }),
  grapheme: new Intl.Segmenter("en", { granularity: "grapheme" }),
};

/** Segmenting takes time that grows with the square of the length: 40 s for a megabyte at once, 70 ms in pieces. */
const PIECE = 1_024;

/**
 * The ends of the segments of `text` between two positions, `to` included.
 * @param from where a segment begins. All positions are in UTF-16 units.
 */
export function* segmentEnds(
  text: string,
  from: number,
  to: number,
  granularity: keyof typeof SEGMENTERS,
): Generator<number> {
  let length = PIECE;
  for (let start = from; start < to;) {
    const piece = text.slice(start, Math.min(start + length, to));
    const isLast = start + piece.length === to;
    let end = 0;
    for (const { index, segment } of SEGMENTERS[granularity].segment(piece)) {
      // The end of the piece may cut its last segment short, so the next piece begins with that segment.
      if (!isLast && index + segment.length === piece.length) break;
      end = index + segment.length;
      yield start + end;
    }
    if (end === 0) length *= 2;
    else length = PIECE;
    start += end;
  }
}
