import type { VectorArray } from "../../database/vector-array.ts";
import type { ProviderError } from "../provider-error.ts";

/** The result for some of the texts; `indices` are their positions among the texts that were given. */
export type EmbedResult =
  | {
      readonly kind: "embedded";
      readonly indices: readonly number[];
      /** One per text, in the order of `indices`. */
      readonly vectors: VectorArray;
      /** Those of the indices whose text was cut before it was sent. */
      readonly truncated: readonly number[];
    }
  | RefusedText;

export interface RefusedText {
  readonly kind: "refused";
  readonly index: number;
  readonly error: ProviderError;
}
