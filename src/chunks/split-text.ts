import { findBoundaries, RANK, wordEnds, type Boundary } from "./boundaries.ts";
import { segmentEnds } from "./segment.ts";
import type { ChunkSettings } from "./chunk-settings.ts";

/** A piece of a text, without white space at its ends. */
export interface Chunk {
  /** Code points of the text before it: `substr(text, start + 1, end - start)` in SQL. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Bytes of UTF-8 that are counted as one token. */
const BYTES_PER_TOKEN = 3;
/** UTF-16 units on each side of a place that its hash covers. */
const NEIGHBOURHOOD = 24;

/** A boundary, and the length of the text before it: in characters, or in bytes if tokens are counted. */
interface Place extends Boundary {
  readonly weight: number;
}

/**
 * Cuts a text into chunks of at most `chunk`, each beginning with the end of the previous chunk. Only white space is
 * left out.
 *
 * A cut falls in the second half of what a chunk may hold: at the best kind of boundary there, and among several of that
 * kind at the one whose neighbourhood has the lowest hash. So a cut depends on the text around it and not on how much
 * text comes before: shortly after an edit, the cuts are where they were. If each chunk were filled up, an edit would
 * move every later cut, and the whole rest of the text would be embedded again.
 */
export function splitText(text: string, { chunk, overlap, unit }: ChunkSettings): Chunk[] {
  const [scale, weigh] = unit === "tokens" ? [BYTES_PER_TOKEN, bytes] : [1, codePoints];
  const longest = (chunk - overlap) * scale;
  const places = findPlaces(text, longest / 2, weigh);
  const chunks: Chunk[] = [];
  const startOf = counter(text);
  const endOf = counter(text);
  let from = 0;
  let covered = 0;
  for (const cut of chooseCuts(text, places, longest)) {
    const to = places[cut]?.at ?? text.length;
    const piece = text.slice(from, to);
    const trimmed = piece.trim();
    const start = from + piece.length - piece.trimStart().length;
    const end = start + trimmed.length;
    // The last chunk may hold only white space and its overlap: skip it.
    if (trimmed !== "" && end > covered) {
      chunks.push({ start: startOf(start), end: endOf(end), text: trimmed });
      covered = end;
    }
    from = overlapStart(text, places, cut, overlap * scale, weigh);
  }
  return chunks;
}

type Weigh = (text: string, from: number, to: number) => number;

function findPlaces(text: string, heaviest: number, weigh: Weigh): Place[] {
  const places: Place[] = [];
  let last = 0;
  let weight = 0;
  for (const { at, rank } of findBoundaries(text, (from, to) => weigh(text, from, to) > heaviest)) {
    weight += weigh(text, last, at);
    places.push({ at, rank, weight });
    last = at;
  }
  return places;
}

/** @yields indices of `places`; the last is that of the text's end. */
function* chooseCuts(text: string, places: readonly Place[], longest: number): Generator<number> {
  let weight = 0;
  for (let next = 0; next < places.length;) {
    let middle = next;
    while (weightAt(places, middle) - weight <= longest / 2) middle++;
    let end = middle;
    while (weightAt(places, end) - weight <= longest) end++;
    const later = bestOf(text, places, middle, end);
    // Rather than cut within a sentence, leave the whole sentence to the next chunk.
    const earlier = isTorn(places, later) ? bestOf(text, places, next, middle) : undefined;
    const best =
      end === places.length
        ? places.length - 1
        : ((isTorn(places, earlier) ? undefined : earlier) ?? later ?? Math.max(next, end - 1));
    yield best;
    weight = weightAt(places, best);
    next = best + 1;
  }
}

function weightAt(places: readonly Place[], index: number): number {
  return places[index]?.weight ?? Infinity;
}

function isTorn(places: readonly Place[], index: number | undefined): boolean {
  return index === undefined || (places[index]?.rank ?? 0) < RANK.line;
}

/** Among the places of the best kind from `from` to `to`, the one with the lowest hash; undefined if there is none. */
function bestOf(text: string, places: readonly Place[], from: number, to: number): number | undefined {
  let best: { index: number; rank: number; hash: number | undefined } | undefined;
  for (let index = from; index < to; index++) {
    const { at, rank } = places[index] ?? { at: 0, rank: -1 };
    if (best === undefined || rank > best.rank) {
      best = { index, rank, hash: undefined };
    } else if (rank === best.rank) {
      best.hash ??= neighbourhoodHash(text, places[best.index]?.at ?? 0);
      const hash = neighbourhoodHash(text, at);
      if (hash <= best.hash) best = { index, rank, hash };
    }
  }
  return best?.index;
}

/** Where the chunk after a cut begins: at the first line, sentence or paragraph within the overlap, else at a word. */
function overlapStart(
  text: string,
  places: readonly Place[],
  cut: number,
  overlap: number,
  weigh: Weigh,
): number {
  const end = places[cut];
  if (end === undefined || overlap === 0) return end?.at ?? text.length;
  let before = cut - 1;
  let best: number | undefined;
  for (; before >= 0; before--) {
    const place = places[before];
    if (place === undefined || end.weight - place.weight > overlap) break;
    if (place.rank >= RANK.line) best = place.at;
  }
  if (best !== undefined) return best;
  const from = places[before]?.at ?? 0;
  for (const ends of [wordEnds(text, from, end.at), segmentEnds(text, from, end.at, "word")]) {
    for (const at of ends) if (at < end.at && weigh(text, at, end.at) <= overlap) return at;
  }
  return end.at;
}

/** FNV-1a */
function neighbourhoodHash(text: string, at: number): number {
  let hash = 0x811c9dc5;
  const to = Math.min(text.length, at + NEIGHBOURHOOD);
  for (let i = Math.max(0, at - NEIGHBOURHOOD); i < to; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

function codePoints(text: string, from: number, to: number): number {
  let count = to - from;
  for (let i = from; i < to; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
  return count;
}

function bytes(text: string, from: number, to: number): number {
  return Buffer.byteLength(text.slice(from, to));
}

/** Counts the code points before a place. Each call's place must not be before the previous call's. */
function counter(text: string): (at: number) => number {
  let last = 0;
  let count = 0;
  return (at) => {
    count += codePoints(text, last, at);
    last = at;
    return count;
  };
}
