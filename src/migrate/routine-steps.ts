/** A part of a migration: SQL that is run as it is, and says what it does. */
export interface Step {
  readonly title: string;
  readonly sql: string;
  /** Part of every migration, or of the session alone: not reported as something that was done. */
  readonly isRoutine?: boolean;
}

/**
 * The settings of a session that migrates. Functions name one another before they are there; pgvector's types are found
 * wherever the extension is; and nothing else that a search path may have is taken for Postgres's own.
 */
export const SETTINGS: Step = {
  title: "settings",
  sql: `set standard_conforming_strings = on;
set check_function_bodies = off;
set quote_all_identifiers = off;
set client_min_messages = warning;
do $$ begin
  perform set_config('search_path', format('pg_catalog, %I, pg_temp', n.nspname), false)
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  -- The extension is made in the first schema of the path that there is.
  if not found and current_schema() is null then
    perform set_config('search_path', 'public', false);
  end if;
end $$;
`,
  isRoutine: true,
};

/**
 * A restored dump, or default privileges that were changed, may have let other roles in since the last migration: the
 * rights are set right each time; and so are the sequences, which logical replication leaves behind. What belongs to
 * another role is that role's to close.
 */
export const RIGHTS: Step = {
  title: "rights",
  sql: `do $$ begin
  if (select pg_catalog.pg_has_role(nspowner, 'usage') from pg_catalog.pg_namespace where nspname = 'autoembed') then
    perform autoembed.renew_grants();
    perform autoembed.advance_sequences();
  end if;
end $$;
`,
  isRoutine: true,
};

/** Restores what `SETTINGS` changed, for a session that goes on. */
export const RESET: Step = {
  title: "settings as before",
  sql: `reset standard_conforming_strings;
reset check_function_bodies;
reset quote_all_identifiers;
reset client_min_messages;
reset search_path;
`,
  isRoutine: true,
};

/**
 * Locks the tables that files change before any is changed, and first the table that every claim reads first: a claim that
 * comes later waits there, and holds none of the others. Locked one by one, as each is changed, they would never be had
 * under a steady load: there is always a claim that has read one and waits for the next.
 */
export function locksStep(files: readonly string[]): Step {
  const changed = files.flatMap((sql) =>
    [...sql.matchAll(/\b(?:alter table|references|index \w+ on) autoembed\.(\w+)/g)].map(([, name]) =>
      String(name),
    ),
  );
  const names = new Set(["embedding_source", ...changed.sort()]);
  return {
    title: "locks",
    sql: `do $$ declare name text; begin
  foreach name in array '{${[...names].join(", ")}}'::text[] loop
    if to_regclass('autoembed.' || name) is not null then
      execute format('lock table autoembed.%I in access exclusive mode', name);
    end if;
  end loop;
end $$;
`,
    isRoutine: true,
  };
}
