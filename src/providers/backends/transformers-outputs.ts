import { ProviderError } from "../provider-error.ts";
import type { TransformersSettings } from "./transformers-settings.ts";

/** What a model's session gives. */
interface Tensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
  dispose(): void;
}

export type Outputs = Readonly<Record<string, Tensor>>;

/** Made by the model itself, with layers that may come after its pooling. */
const POOLED = "sentence_embedding";
/** A vector per token, by the names that exporters give them. */
const PER_TOKEN = ["last_hidden_state", "token_embeddings"] as const;

/**
 * The vector of one text, of unit length: the model's own where it gives one, else its tokens' as one.
 * @throws {ProviderError} `setup` where the model gives neither
 */
export function vectorOf(
  outputs: Outputs,
  { model, pooling }: Pick<TransformersSettings, "model" | "pooling">,
): Float32Array {
  const pooled = outputs[POOLED];
  if (pooled !== undefined) return normalized(floats(pooled, POOLED, 2, model));
  const name = PER_TOKEN.find((known) => outputs[known] !== undefined);
  const perToken = name === undefined ? undefined : outputs[name];
  if (name === undefined || perToken === undefined) throw noVector(outputs, model);
  const all = floats(perToken, name, 3, model);
  const [, tokens = 0, length = 0] = perToken.dims;
  if (pooling === "mean") return normalized(sumOf(all, length));
  const from = pooling === "cls" ? 0 : (tokens - 1) * length;
  return normalized(all.slice(from, from + length));
}

function noVector(outputs: Outputs, model: string): ProviderError {
  return new ProviderError(
    "setup",
    `The model ${model} gives ${Object.keys(outputs).join(", ") || "nothing"}, and none of ${[POOLED, ...PER_TOKEN].join(", ")}: choose a model that is made for embeddings.`,
  );
}

/** Of one text: the first of the dimensions is 1. */
function floats(tensor: Tensor, name: string, rank: number, model: string): Float32Array {
  const { dims, type, data } = tensor;
  if (type === "float32" && dims.length === rank && dims[0] === 1) return Float32Array.from(data);
  throw new ProviderError(
    "setup",
    `The model ${model} gives ${name} as ${type}[${dims.join(", ")}], and float32 in ${rank} dimensions is expected: choose another file of it (EMBED_TRANSFORMERS_DTYPE) or another model.`,
  );
}

/** Their sum: of unit length, it is their mean. */
function sumOf(all: Float32Array, length: number): Float64Array {
  const sum = new Float64Array(length);
  for (let i = 0; i < all.length; i++) sum[i % length] = (sum[i % length] ?? 0) + (all[i] ?? 0);
  return sum;
}

function normalized(vector: Float32Array | Float64Array): Float32Array {
  const norm = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => (norm === 0 ? 0 : value / norm));
}
