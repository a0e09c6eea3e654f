import type { CommonSettings, NetworkSettings } from "../provider-settings.ts";

/** How the vectors of a text's tokens become one: their mean, the first one's, or the last one's. */
export const POOLINGS = ["mean", "cls", "last_token"] as const;
/** Which file of the model is read: its numbers as they were trained, or in fewer bits. `q8` is `model_quantized.onnx`. */
export const DTYPES = ["fp32", "fp16", "q8", "int8", "uint8", "q4", "q4f16", "bnb4"] as const;

type Pooling = (typeof POOLINGS)[number];

/** A model of Hugging Face's in ONNX, computed in this process by `@huggingface/transformers`. */
export interface TransformersSettings extends CommonSettings, NetworkSettings {
  readonly backend: "transformers";
  /** Such as `Xenova/bge-small-en-v1.5`. */
  readonly model: string;
  /** A branch, a tag or a commit of its repository. */
  readonly revision: string;
  readonly dtype: (typeof DTYPES)[number];
  readonly pooling: Pooling;
  /** Tokens per text, at most; the model's own limit also holds. */
  readonly maxTokens?: number | undefined;
  /** A folder with the model's files. Nothing is downloaded then. */
  readonly modelPath?: string | undefined;
  /** Where downloaded files are kept. */
  readonly cacheFolder: string;
  readonly download: boolean;
  /** Where models are downloaded from. */
  readonly host: string;
}

/** Families that were not trained with the mean, in a model's name. */
const POOLED_OTHERWISE: readonly (readonly [RegExp, Pooling])[] = [
  [/\b(?:bge-|mxbai-embed|snowflake-arctic-embed|gte-(?:base|large)-en-v1\.5|gte-modernbert)/i, "cls"],
  [/\bqwen3-embedding/i, "last_token"],
];

/** Within the model's folder. */
export function onnxFile(dtype: TransformersSettings["dtype"]): string {
  const suffix = dtype === "fp32" ? "" : dtype === "q8" ? "_quantized" : `_${dtype}`;
  return `onnx/model${suffix}.onnx`;
}

export function poolingOf(model: string): Pooling {
  return POOLED_OTHERWISE.find(([name]) => name.test(model))?.[1] ?? "mean";
}
