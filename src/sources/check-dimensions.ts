import { SetupError } from "../errors.ts";
import { whereVectorsAre, type Source } from "./source.ts";

/** What a provider says of the vectors that it makes. */
interface VectorMaker {
  readonly backend: string;
  readonly model: string;
  readonly dimensions: number;
}

/** @throws {SetupError} where the column cannot hold what the provider makes, before anything is embedded. */
export function checkDimensions(source: Source, provider: VectorMaker): void {
  if (source.columnDimensions === null || source.columnDimensions === provider.dimensions) return;
  throw new SetupError(
    `${provider.backend} (${provider.model}) makes vectors of ${provider.dimensions} dimensions; ` +
      `${whereVectorsAre(source)} takes ${source.columnDimensions}.`,
    `Set EMBEDDING_DIM=${source.columnDimensions} if the model can make that many, choose a model that does, ` +
      `or give the column ${provider.dimensions} dimensions.`,
  );
}
