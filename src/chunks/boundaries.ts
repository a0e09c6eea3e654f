import { segmentEnds } from "./segment.ts";

/** How well a boundary suits a cut: the higher, the better. */
export const RANK = { codePoint: 0, grapheme: 1, wordPart: 2, word: 3, line: 4, sentence: 5, paragraph: 6 };

/** A place where a text may be cut. */
export interface Boundary {
  /** UTF-16 units from the start of the text. */
  readonly at: number;
  readonly rank: number;
}

/** Whether a range of a text is so long that it needs boundaries within its sentences. */
type IsTooHeavy = (from: number, to: number) => boolean;

/** A line with the white space after it, including empty lines and the next line's indent. */
const LINES = /[^\n\r\u2028\u2029]*\s*/gu;
/** A line without one of these characters contains no end of a sentence. */
const MAY_END_A_SENTENCE = /\p{Sentence_Terminal}/u;
const ENDS_A_SENTENCE = /[.!?。！？…:]["'”’)\]]*$/u;
/** Abbreviations, whose full stop does not end a sentence. */
const ABBREVIATION =
  /(?:^|[\s(])(?:\p{Lu}|Dr|Drs|Mr|Mrs|Ms|Prof|St|Jr|Sr|No|Nr|Fig|vs|approx|ca|cf|e\.g|i\.e|z\.B|d\.h)\.\s+$/u;
const LONGEST_ABBREVIATION = 12;

/**
 * The places where a text may be cut, in text order; the last is its end. These are the ends of paragraphs, lines and
 * sentences; within a sentence that is too long, of words; within a word that is too long, of its parts (languages
 * without spaces), then of graphemes, and within a grapheme that is too long, of code points: never inside a surrogate
 * pair.
 */
export function* findBoundaries(text: string, isTooHeavy: IsTooHeavy): Generator<Boundary> {
  let start = 0;
  for (const [line] of text.matchAll(LINES)) {
    const to = start + line.length;
    const content = line.trimEnd();
    let from = start;
    const sentenceEnds = MAY_END_A_SENTENCE.test(content)
      ? segmentEnds(text, start, start + content.length, "sentence")
      : [];
    for (const end of sentenceEnds) {
      if (end === start + content.length) break;
      if (ABBREVIATION.test(text.slice(Math.max(from, end - LONGEST_ABBREVIATION), end))) continue;
      yield* withFiner(text, from, { at: end, rank: RANK.sentence }, isTooHeavy);
      from = end;
    }
    if (to > from) yield* withFiner(text, from, { at: to, rank: rankOf(line, content) }, isTooHeavy);
    start = to;
  }
}

function rankOf(line: string, content: string): number {
  const lineBreaks =
    line
      .slice(content.length)
      .replaceAll("\r\n", "\n")
      .match(/[\n\r\u2028\u2029]/gu) ?? [];
  if (lineBreaks.length > 1 || content === "") return RANK.paragraph;
  return ENDS_A_SENTENCE.test(content) ? RANK.sentence : RANK.line;
}

/** Ordered from coarse to fine. */
const FINER: readonly { rank: number; ends: (text: string, from: number, to: number) => Iterable<number> }[] =
  [
    { rank: RANK.word, ends: wordEnds },
    { rank: RANK.wordPart, ends: (text, from, to) => segmentEnds(text, from, to, "word") },
    { rank: RANK.grapheme, ends: graphemeEnds },
    { rank: RANK.codePoint, ends: codePointEnds },
  ];

/** The finer boundaries that the range from `from` to the boundary needs, then the boundary itself. */
function* withFiner(
  text: string,
  from: number,
  boundary: Boundary,
  isTooHeavy: IsTooHeavy,
  level = 0,
): Generator<Boundary> {
  const finer = FINER[level];
  if (finer === undefined || !isTooHeavy(from, boundary.at)) {
    yield boundary;
    return;
  }
  let start = from;
  for (const end of finer.ends(text, from, boundary.at)) {
    const rank = end === boundary.at ? boundary.rank : finer.rank;
    yield* withFiner(text, start, { at: end, rank }, isTooHeavy, level + 1);
    start = end;
  }
}

/** The ends of words, each including the white space after it, and `to`. */
export function* wordEnds(text: string, from: number, to: number): Generator<number> {
  for (const { index, 0: space } of text.slice(from, to).matchAll(/\s+/gu)) {
    const end = from + index + space.length;
    if (end < to) yield end;
  }
  yield to;
}

function graphemeEnds(text: string, from: number, to: number): Iterable<number> {
  const isAscii = /^[\x20-\x7e]*$/.test(text.slice(from, to));
  return isAscii ? codePointEnds(text, from, to) : segmentEnds(text, from, to, "grapheme");
}

function* codePointEnds(text: string, from: number, to: number): Generator<number> {
  for (let at = from; at < to;) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    yield at;
  }
}
