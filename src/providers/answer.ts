import { NOT_STORED } from "./what-follows.ts";
import { VectorArray, VectorError } from "../database/vector-array.ts";
import type { RawAnswer } from "./backend.ts";
import type { RawVector } from "./raw-vector.ts";
import { ProviderError } from "./provider-error.ts";
import { wrongCount } from "./wrong-count.ts";

/** Floats in a raw vector; undefined where it is no whole number of floats. */
export function lengthOf(vector: RawVector): number | undefined {
  if (typeof vector !== "string") return vector.length;
  const bytes = Buffer.byteLength(vector, "base64");
  // Base64 comes in groups of four characters; any other length was cut on its way.
  return vector.length % 4 === 0 && bytes % 4 === 0 ? bytes / 4 : undefined;
}

/**
 * Checks a provider's answer before anything of it is stored: one vector per text, each of the right length, each float
 * finite, and none of them without a direction.
 * @param who names the provider in messages
 * @throws {ProviderError} `setup` when every vector has the same wrong length, `unavailable` for the rest
 */
export function checkAnswer(answer: RawAnswer, count: number, dimensions: number, who: string): VectorArray {
  if (answer.vectors.length !== count) {
    throw wrongCount(who, answer.vectors.length, count);
  }
  const vectors = new VectorArray(count, dimensions);
  try {
    for (const [i, vector] of answer.vectors.entries()) {
      if (typeof vector === "string") vectors.setBase64(i, vector);
      else vectors.setFloats(i, numbers(vector));
    }
  } catch (error) {
    if (!(error instanceof VectorError)) throw error;
    throw (
      mismatch(answer.vectors, dimensions, who) ??
      unavailable(`${who} gave a broken vector: ${error.message}.`)
    );
  }
  return vectors;
}

/** The error for a model whose vectors have `given` dimensions where `dimensions` are expected. */
export class WrongDimensions extends ProviderError {
  readonly given: number;

  constructor(who: string, given: number, dimensions: number) {
    super(
      "setup",
      `${who} gives vectors of ${given} dimensions, and ${dimensions} are expected. ` +
        `Set EMBEDDING_DIM=${given}, or for a source with its own --dim watch it again with --dim ${given} and a column of that length. Or choose a model of ${dimensions}.`,
    );
    this.given = given;
  }
}

function mismatch(vectors: readonly RawVector[], dimensions: number, who: string): ProviderError | undefined {
  const lengths = new Set(vectors.map(lengthOf));
  const [given] = lengths;
  if (lengths.size !== 1 || given === undefined || given === dimensions) return undefined;
  return new WrongDimensions(who, given, dimensions);
}

/** JSON may hold null, booleans and strings too, which a Float32Array would silently turn into numbers. */
function numbers(vector: ArrayLike<unknown>): ArrayLike<number> {
  if (vector instanceof Float32Array) return vector;
  for (let i = 0; i < vector.length; i++) {
    if (typeof vector[i] !== "number") {
      throw new VectorError("not-finite", `dimension ${i} is not a number but ${typeOf(vector[i])}`);
    }
  }
  return vector as ArrayLike<number>;
}

function typeOf(value: unknown): string {
  return value === null ? "null" : typeof value;
}

function unavailable(message: string): ProviderError {
  return new ProviderError("unavailable", `${message} ${NOT_STORED}`, {
    status: 200,
  });
}
