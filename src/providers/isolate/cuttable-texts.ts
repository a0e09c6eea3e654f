import { cutText, cutToCharacters } from "../cut-text.ts";
import { ProviderError } from "../provider-error.ts";
import { SHORTEN } from "../what-follows.ts";
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

  /**
   * Cuts the texts that are longer than `limit` characters, or refuses them without asking the provider. Characters are
   * counted as the claim, the batches and the dry run count them, in Postgres.
   */
  withinLimit(limit: number, truncates: boolean): { indices: number[]; refused: RefusedText[] } {
    const indices: number[] = [];
    const refused: RefusedText[] = [];
    for (const [index, text] of this.#texts.entries()) {
      const within = cutToCharacters(text, limit);
      const isLonger = within.length < text.length;
      if (isLonger && !truncates) {
        const message = `The text has ${Array.from(text).length} characters, and ${limit} are allowed. ${SHORTEN}`;
        refused.push({
          kind: "refused",
          index,
          error: new ProviderError("row", message, { tooLong: true }),
        });
      } else {
        if (isLonger) {
          this.#texts[index] = within;
          this.#cut.add(index);
        }
        indices.push(index);
      }
    }
    return { indices, refused };
  }
}
