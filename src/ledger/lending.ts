import type { Source } from "../sources/source.ts";
import type { LedgerModel } from "./model.ts";

/** Where a source finds vectors of its texts that were made already. */
export interface Lending {
  readonly model: LedgerModel;
  /** The sources whose rows may have them, its own first. */
  sources(): readonly Source[];
}

/** The sources of this process by their models: rows with equal texts lend their vectors to one another. */
export class Lenders {
  readonly #sources = new Map<number, { readonly source: Source; readonly modelId: number }>();

  /** Adds a source, or what it has become. */
  add(source: Source, model: LedgerModel): Lending {
    this.#sources.set(source.id, { source, modelId: model.id });
    return { model, sources: () => [source, ...this.#others(source, model)] };
  }

  remove(sourceId: number): void {
    this.#sources.delete(sourceId);
  }

  #others({ id }: Source, { lenderIds }: LedgerModel): Source[] {
    return [...this.#sources.values()].flatMap(({ source, modelId }) =>
      source.id !== id && lenderIds.includes(modelId) ? [source] : [],
    );
  }
}
