import type { MigrationFiles } from "../migrate/migration-files.ts";

/** What migrations make in the schema `autoembed`, by name. */
export interface OwnNames {
  readonly relations: readonly string[];
  readonly routines: readonly string[];
}

/** Functions that an earlier set of migrations made and no later one drops. */
const FORMER_ROUTINES = ["check_passage_columns", "watch_passages"];

const CREATED =
  /^create (?:or replace )?(?:unlogged )?(table|view|sequence|function|procedure) autoembed\.(\w+)/gm;

/** Read from the migrations themselves, so that whatever a later one makes is known. */
export function ownNames({ committed, functions }: MigrationFiles): OwnNames {
  const sql = [...committed.map((file) => file.sql), ...functions];
  const created = sql.flatMap((text) => [...text.matchAll(CREATED)]);
  const namesOf = (isRoutine: boolean): string[] =>
    created.flatMap(([, kind = "", name = ""]) =>
      ["function", "procedure"].includes(kind) === isRoutine ? [name] : [],
    );
  return { relations: namesOf(false), routines: [...namesOf(true), ...FORMER_ROUTINES] };
}
