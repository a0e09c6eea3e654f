import type { Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import { loadSources } from "./load-sources.ts";
import type { Source } from "./source.ts";

/** The source of that name, or all that can be worked on. @throws {SetupError} where there is none, with what to do. */
export async function chooseSources(db: Database, name: string | undefined): Promise<readonly Source[]> {
  const { usable, broken } = await loadSources(db);
  if (name !== undefined) {
    const found = usable.find((source) => source.name === name);
    if (found !== undefined) return [found];
    const trouble = broken.find((source) => source.name === name)?.trouble;
    if (trouble !== undefined) throw new SetupError(`Nothing can be done for ${name}.`, trouble);
    const names = usable.map((source) => source.name).join(", ") || "none";
    throw new UsageError(`No source is called ${JSON.stringify(name)}.`, `Sources: ${names}.`);
  }
  if (usable.length === 0) {
    throw new SetupError(
      "No watched table can be worked on.",
      broken.map((source) => `${source.name}: ${source.trouble}`).join("\n") ||
        "Watch one: see embed_watch() in the guide.",
    );
  }
  return usable;
}
