/** A vector of length one, the same for the same seed. */
export function randomVector(dimensions: number, seed: number): Float32Array<ArrayBuffer> {
  let state = (seed + 1) * 2_654_435_761;
  const values = Float64Array.from({ length: dimensions }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(values, (value) => value / norm);
}
