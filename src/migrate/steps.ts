import pg from "pg";
import { VERSION } from "../version.ts";
import type { MigrationFile, MigrationFiles } from "./migration-files.ts";
import { FUNCTIONS, isNewer, type Applied } from "./applied.ts";
import { locksStep, RESET, RIGHTS, SETTINGS, type Step } from "./routine-steps.ts";

/** The last file of the first version that has the schema `autoembed`: what 0.1 had fits the tables as they are then. */
const FIRST_SCHEMA = "000002-patient-embeddings.sql";

export interface StepOptions {
  /** Length of the vectors of a new `patient_embeddings`. */
  readonly dimensions: number;
  /** The database is one of version 0.1, to be taken over. */
  readonly adopts?: boolean;
  /** Functions are not what was recorded of them: see `changedFunctions`. */
  readonly isChanged?: boolean;
}

/** What brings a database with `applied` up to date; where it is, its rights alone. */
export function migrationSteps(files: MigrationFiles, applied: Applied, options: StepOptions): Step[] {
  const adopts = options.adopts === true;
  const isPending = ({ filename }: MigrationFile): boolean => !applied.has(filename);
  const functions = applied.get(FUNCTIONS);
  const committed = files.committed.filter(isPending);
  const locks = committed.length === 0 ? [] : [locksStep(committed.map(({ sql }) => sql))];
  const steps = [
    ...committed.flatMap((file) => [
      committedStep(file, options.dimensions),
      ...(adopts && file.filename === FIRST_SCHEMA
        ? [{ title: "what version 0.1 kept in public", sql: files.adoption.tables }]
        : []),
    ]),
    ...(functions === undefined ||
    ((functions.hash !== files.functionsHash || options.isChanged === true) && !isNewer(functions.version))
      ? [functionsStep(files)]
      : []),
    ...(adopts ? [{ title: "the triggers of version 0.1", sql: files.adoption.triggers }] : []),
    // A database of version 0.1 has done what these do.
    ...files.once.filter(isPending).map((file) => onceStep(file, !adopts)),
  ];
  return steps.length === 0 ? [RIGHTS] : [SETTINGS, ...locks, ...steps, RIGHTS, RESET];
}

/** In ASCII, which every encoding of a database has: a released file has a character in a comment that LATIN1 has not. */
function committedStep({ filename, hash, sql }: MigrationFile, dimensions: number): Step {
  return {
    title: filename,
    sql:
      sql.replaceAll(/:EMBEDDING_DIM\b/g, String(dimensions)).replaceAll("…", "...") + record(filename, hash),
  };
}

function onceStep({ filename, hash, sql }: MigrationFile, runs: boolean): Step {
  return { title: filename, sql: (runs ? sql : "") + record(filename, hash) };
}

function functionsStep({ functions, templates, functionsHash }: MigrationFiles): Step {
  const stored = templates.map(
    ({ name, body }) => `insert into autoembed.trigger_template (name, body)
values (${pg.escapeLiteral(name)}, ${pg.escapeLiteral(body)})
on conflict (name) do update set body = excluded.body;
`,
  );
  return {
    title: `functions of ${VERSION}`,
    sql: [...functions, ...stored, record(FUNCTIONS, functionsHash)].join("\n"),
  };
}

function record(filename: string, hash: string): string {
  return `
insert into autoembed.migration (filename, hash, version)
values (${[filename, hash, VERSION].map((value) => pg.escapeLiteral(value)).join(", ")})
on conflict (filename) do update set hash = excluded.hash, version = excluded.version, applied_at = now();
`;
}
