import type { Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { loadSources } from "../sources/load-sources.ts";
import { liveOf, nextOf, previousOf } from "../sources/model-change-names.ts";
import type { Source } from "../sources/source.ts";
import { unknownSource } from "../sources/unknown-source.ts";

/** The sources that hold something of a row of the source that was named. */
export interface ErasableSource {
  /** Whose key names the row. */
  readonly keyed: Source;
  /** Those that keep a vector of the row: it, and the other one of a model change; none where its text is in chunks. */
  readonly same: readonly Source[];
  /** The source again, if its texts are cut into chunks. */
  readonly chunked: ChunkedSource | null;
  /** The source that embeds those chunks. */
  readonly chunks: Source | null;
  /** Names of others that watch the same table. */
  readonly others: readonly string[];
}

/**
 * @throws {UsageError} if no source has the name, or it has chunks of another one's texts
 * @throws {SetupError} if its table cannot be read now, or that of another source that has a part of the row
 */
export async function sourcesOfRow(db: Database, name: string): Promise<ErasableSource> {
  const { usable, chunked, broken } = await loadSources(db);
  const live = liveOf(name) ?? name;
  const ofChange = [live, nextOf(live), previousOf(live)];
  const split = chunked.find((source) => source.name === name) ?? null;
  const lost = broken.find((source) => ofChange.includes(source.name) || source.id === split?.embeddedBy);
  if (lost !== undefined) {
    throw new SetupError(
      `Nothing can be erased of ${name}: ${lost.name === name ? "it" : lost.name} cannot be read now.`,
      lost.problem,
    );
  }
  const keyed = split ?? usable.find((source) => source.name === name);
  if (keyed === undefined) throw await unknownSource(db, name);
  const parent = chunked.find(({ embeddedBy }) => embeddedBy === keyed.id);
  if (parent !== undefined) {
    throw new UsageError(
      `${name} has the chunks of ${parent.name}.`,
      `Erase the row that they are of: ${invocation("erase", ["--source", parent.name, "--key", "KEY"])}`,
    );
  }
  const isOfChange = (source: Source): boolean => source.oid === keyed.oid && ofChange.includes(source.name);
  const same = split === null ? usable.filter(isOfChange) : [];
  const others = [...usable, ...chunked].filter(
    (source) => source.oid === keyed.oid && source.id !== keyed.id && !same.includes(source),
  );
  return {
    keyed,
    same,
    chunked: split,
    chunks: usable.find(({ id }) => id === split?.embeddedBy) ?? null,
    others: others.map((source) => source.name),
  };
}
