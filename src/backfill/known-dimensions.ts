import type { Config } from "../config.ts";
import { backendOf } from "../providers/known-backends.ts";
import type { Source } from "../sources/source.ts";

/** The length of a source's vectors where a setting, its backend or its column gives it; null where only an answer shows it. */
export function knownDimensions(config: Config, source: Source): number | null {
  return (
    source.dimensions ??
    config.EMBEDDING_DIM ??
    backendOf(source.backend ?? config.EMBEDDING_BACKEND).dimensions ??
    source.columnDimensions
  );
}
