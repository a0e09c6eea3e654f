import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { ChunkedSource } from "./chunked-source.ts";
import { loadSources } from "./load-sources.ts";
import type { Source } from "./source.ts";
import { unknownSource } from "./unknown-source.ts";

/** What a person means by a name, or by none: all. */
export interface Chosen {
  /** What has texts to embed; for a text in passages, those. */
  readonly sources: readonly Source[];
  /** What has texts to cut into them. */
  readonly chunked: readonly ChunkedSource[];
}

/**
 * The source of that name, or all that can be worked on. A text in passages and the source that embeds them are one
 * thing, under the name of either. @throws {UsageError} where no source has the name, {SetupError} where none can be
 * worked on.
 */
export async function choose(db: Database, name: string | undefined): Promise<Chosen> {
  const { usable, chunked, broken } = await loadSources(db);
  if (name !== undefined) {
    const chunkedSource = chunked.find((source) => source.name === name);
    const found = usable.find((source) => source.name === name || source.id === chunkedSource?.embeddedBy);
    if (found !== undefined) {
      return { sources: [found], chunked: chunked.filter(({ embeddedBy }) => embeddedBy === found.id) };
    }
    const problem = broken.find((source) => source.name === name)?.problem;
    if (problem !== undefined) throw new SetupError(`Nothing can be done for ${name}.`, problem);
    throw await unknownSource(db, name);
  }
  if (usable.length === 0) {
    throw new SetupError(
      "No watched table can be worked on.",
      broken.map((source) => `${source.name}: ${source.problem}`).join("\n") ||
        "Watch one: see autoembed.watch() in the guide.",
    );
  }
  return { sources: usable, chunked };
}

/** `choose`, for what is done with vectors alone. */
export async function chooseSources(db: Database, name: string | undefined): Promise<readonly Source[]> {
  return (await choose(db, name)).sources;
}

/** The first of what may be meant, with what cuts its texts: for what is done with one source. */
export async function chooseOne(db: Database, name: string | undefined): Promise<Chosen> {
  const { sources, chunked } = await choose(db, name);
  return {
    sources: sources.slice(0, 1),
    chunked: chunked.filter((one) => one.embeddedBy === sources[0]?.id),
  };
}
