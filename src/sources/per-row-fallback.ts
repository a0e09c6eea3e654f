import { isTextFault } from "../database/database-fault.ts";
import type { Source } from "./source.ts";

const trying = new WeakMap<Source, Source>();

/**
 * Runs a statement that reads the texts of many rows, and where one of them cannot be computed, runs it again with each
 * text tried by itself: 20 us a row, and none of the others suffers.
 */
export async function withPerRowFallback<T>(
  source: Source,
  read: (source: Source) => Promise<T>,
): Promise<T> {
  try {
    return await read(source);
  } catch (error) {
    if (!isTextFault(error)) throw error;
    const tried = trying.get(source) ?? { ...source, evaluatesPerRow: true as const };
    trying.set(source, tried);
    return await read(tried);
  }
}
