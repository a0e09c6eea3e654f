import { cutText } from "../cut-text.ts";
import { ProviderError } from "../provider-error.ts";
import type { RefusedText } from "./embed-result.ts";

/** The texts of one batch, of which some are cut before they are sent. */
export class CuttableTexts {
  readonly #texts: string[];
  readonly #cut = new Set<number>();

  constructor(texts: readonly string[]) {
    this.#texts = [...texts];
  }

  at(index: number): string {
    return this.#texts[index] ?? "";
  }

  characters(indices: readonly number[]): number {
    return indices.reduce((sum, index) => sum + this.at(index).length, 0);
  }

  cut(index: number, characters: number): void {
    this.#texts[index] = cutText(this.at(index), characters);
    this.#cut.add(index);
  }

  isCut(index: number): boolean {
    return this.#cut.has(index);
  }

  /** Cuts the texts that are longer than `limit` characters, or refuses them without asking the provider. */
  withinLimit(limit: number, truncates: boolean): { indices: number[]; refused: RefusedText[] } {
    const indices: number[] = [];
    const refused: RefusedText[] = [];
    for (const [index, { length }] of this.#texts.entries()) {
      if (length > limit && !truncates) {
        const message = `The text has ${length} characters, and ${limit} are allowed. Shorten it, or set EMBED_ON_TOO_LONG=truncate.`;
        refused.push({
          kind: "refused",
          index,
          error: new ProviderError("row", message, { tooLong: true }),
        });
      } else {
        if (length > limit) this.cut(index, limit);
        indices.push(index);
      }
    }
    return { indices, refused };
  }
}
