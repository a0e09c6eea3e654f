import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import type { ChunkedSource } from "./chunked-source.ts";
import type { Use } from "./diagnose-source.ts";
import { loadSources } from "./load-sources.ts";
import type { BrokenSource, Source } from "./source.ts";
import { unknownSource } from "./unknown-source.ts";

/** The sources that a name stands for; without a name, all of them. */
export interface Chosen {
  /** Their texts are embedded; for a text in chunks, the source of the chunks. */
  readonly sources: readonly Source[];
  /** Their texts are split into those chunks. */
  readonly chunked: readonly ChunkedSource[];
  /** Of all sources, those that cannot be worked on. None where one was named. */
  readonly broken: readonly BrokenSource[];
}

/**
 * The source of that name, or all that can be worked on. A text in chunks and the source that embeds the chunks belong
 * together, under the name of either.
 * @throws {UsageError} where no source has the name; {SetupError} where none can be worked on.
 */
export async function choose(db: Database, name: string | undefined, use: Use = "work"): Promise<Chosen> {
  const { usable, chunked, broken } = await loadSources(db, use);
  if (name !== undefined) {
    const chunkedSource = chunked.find((source) => source.name === name);
    const found = usable.find((source) => source.name === name || source.id === chunkedSource?.embeddedBy);
    if (found !== undefined) {
      return {
        sources: [found],
        chunked: chunked.filter(({ embeddedBy }) => embeddedBy === found.id),
        broken: [],
      };
    }
    const problem = broken.find((source) => source.name === name)?.problem;
    if (problem !== undefined) throw new SetupError(`Nothing can be done for ${name}.`, problem);
    throw await unknownSource(db, name);
  }
  if (usable.length === 0) {
    throw noneUsable(broken);
  }
  return { sources: usable, chunked, broken };
}

export function noneUsable(broken: readonly BrokenSource[]): SetupError {
  return new SetupError(
    "No watched table can be worked on.",
    broken.map((source) => `${source.name}: ${source.problem}`).join("\n") ||
      `Watch one: ${invocation("watch", "public.tickets --text body")}`,
  );
}

/** `choose`, for work that needs the vectors alone. */
export async function chooseSources(db: Database, name: string | undefined): Promise<readonly Source[]> {
  return (await choose(db, name)).sources;
}
