import { quote, quoted } from "../database/identifier.ts";
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
    `If the model can make that many, ${setting(source)}; or choose a model that does. ` +
      `If the column is empty, it can be changed: ${retype(source, provider.dimensions)}`,
  );
}

/** EMBEDDING_DIM is about the environment's model, and not about a source's own. */
function setting({ name, columnDimensions, backend, model }: Source): string {
  return backend === null && model === null
    ? `set EMBEDDING_DIM=${String(columnDimensions)}`
    : `watch ${name} again with --dim ${String(columnDimensions)}`;
}

function retype(source: Source, dimensions: number): string {
  const { vectorColumn, vectorType } = source;
  return `alter table ${quoted(source.vectorTable ?? source)} alter column ${quote(vectorColumn)} type ${vectorType}(${dimensions});`;
}
