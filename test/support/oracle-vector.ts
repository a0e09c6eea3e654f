import { createHash } from "node:crypto";

/**
 * The one right vector for a text: unit length, a function of the text alone, so that any vector found anywhere can
 * be compared with its text. Every float is a float32 already, so that base64 and JSON carry it bit by bit.
 */
export function oracleVector(text: string, dimensions: number): Float32Array<ArrayBuffer> {
  const seed = createHash("sha256").update(text).digest();
  let [a, b, c, d] = [seed.readInt32LE(0), seed.readInt32LE(4), seed.readInt32LE(8), seed.readInt32LE(12)];
  const values = new Float64Array(dimensions);
  let squares = 0;
  for (let i = 0; i < dimensions; i++) {
    // xorshift128
    const t = d ^ (d << 11);
    [d, c, b] = [c, b, a];
    a = a ^ (a >>> 19) ^ t ^ (t >>> 8);
    const value = a / 2 ** 31;
    values[i] = value;
    squares += value * value;
  }
  const norm = Math.sqrt(squares);
  return Float32Array.from(values, (value) => value / norm);
}
