import pg from "pg";
import { VERSION } from "../version.ts";
import type { MigrationFile, MigrationFiles } from "./migration-files.ts";
import { FUNCTIONS, isNewer, type Applied } from "./applied.ts";

/** A part of a migration: SQL that is run as it is, and says what it does. */
export interface Step {
  readonly title: string;
  readonly sql: string;
}

/** The last file of the first version that has the schema `autoembed`: what 0.1 had fits the tables as they are then. */
const FIRST_SCHEMA = "000002-patient-embeddings.sql";

/**
 * The settings of a session that migrates. Functions name one another before they are there; pgvector's types are found
 * wherever the extension is; and nothing else that a search path may have is taken for Postgres's own.
 */
const SETTINGS = `set standard_conforming_strings = on;
set check_function_bodies = off;
set quote_all_identifiers = off;
set client_min_messages = warning;
do $$ begin
  perform set_config('search_path', format('pg_catalog, %I, pg_temp', n.nspname), false)
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
end $$;
`;

/** Puts back what `SETTINGS` changed, for a session that goes on. */
const RESET = `reset standard_conforming_strings;
reset check_function_bodies;
reset quote_all_identifiers;
reset client_min_messages;
reset search_path;
`;

export interface StepOptions {
  /** Length of the vectors of a new `patient_embeddings`. */
  readonly dimensions: number;
  /** The database is one of version 0.1, to be taken over. */
  readonly adopts?: boolean;
}

/** What brings a database with `applied` up to date; nothing where it is. */
export function pendingSteps(files: MigrationFiles, applied: Applied, options: StepOptions): Step[] {
  const adopts = options.adopts === true;
  const isPending = ({ filename }: MigrationFile): boolean => !applied.has(filename);
  const functions = applied.get(FUNCTIONS);
  const steps = [
    ...files.committed
      .filter(isPending)
      .flatMap((file) => [
        committedStep(file, options.dimensions),
        ...(adopts && file.filename === FIRST_SCHEMA
          ? [{ title: "what version 0.1 kept in public", sql: files.adoption.tables }]
          : []),
      ]),
    ...(functions === undefined || (functions.hash !== files.functionsHash && !isNewer(functions.version))
      ? [functionsStep(files)]
      : []),
    ...(adopts ? [{ title: "the triggers of version 0.1", sql: files.adoption.triggers }] : []),
    // A database of version 0.1 has done what these do.
    ...files.once.filter(isPending).map((file) => onceStep(file, !adopts)),
  ];
  if (steps.length === 0) return [];
  return [
    { title: "settings", sql: SETTINGS },
    ...steps,
    {
      title: "rights",
      sql: "do $$ begin perform autoembed.close_schema(), autoembed.renew_grants(); end $$;\n",
    },
    { title: "settings as before", sql: RESET },
  ];
}

function committedStep({ filename, hash, sql }: MigrationFile, dimensions: number): Step {
  return {
    title: filename,
    sql: sql.replaceAll(/:EMBEDDING_DIM\b/g, String(dimensions)) + record(filename, hash),
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
