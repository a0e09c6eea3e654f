import { sql, type RawBuilder } from "kysely";

/*
 * What a statement of ours does must not depend on the settings of the role, the database or the connection string: which
 * functions and operators it finds, what a key or a text looks like, what it sees of other transactions. So each session
 * is pinned before its first statement, and remembers what it had for the user's code that runs within ours: triggers of
 * a watched table, and functions in a text expression.
 */

/** What the user's functions and operators are found by. Given back before anything of the user's is evaluated. */
const PATH = { search_path: "pg_catalog, pg_temp" } as const;

/**
 * What values look like as text. Texts and keys are computed under these, as the trigger functions compute them: so they
 * are given back late, before the first write that fires a user trigger.
 */
const FORMATS = {
  standard_conforming_strings: "on",
  datestyle: "ISO, MDY",
  timezone: "UTC",
  intervalstyle: "postgres",
  bytea_output: "hex",
  extra_float_digits: "1",
  // Off, a null in an array that is sent, or in a key that is one, would be the word.
  array_nulls: "on",
} as const;

/** Nothing that the user's code would notice. */
const OTHERS = {
  default_transaction_isolation: "read committed",
  quote_all_identifiers: "off",
  // Statements over the catalog are estimated so dear that compiling them takes a third of a second, and running them a millisecond.
  jit: "off",
} as const;

/**
 * A role or a connection string that is read-only by default is meant for its other clients; a server or a database that is
 * read-only is obeyed: it has been switched over, or its disk is full.
 */
const WRITABLE = `case when current_setting('default_transaction_read_only')::boolean
    and (select source from pg_catalog.pg_settings where name = 'default_transaction_read_only')
      in ('user', 'database user', 'client') then set_config('default_transaction_read_only', 'off', false) end`;

type Remembered = keyof typeof PATH | keyof typeof FORMATS;

/** Where a session keeps what it had: names of our own, with a prefix. */
export const REMEMBERED_SETTINGS = [...Object.keys(PATH), ...Object.keys(FORMATS)].map(rememberedAs);

function rememberedAs(name: string): string {
  return `autoembed.${name}`;
}

/**
 * What a session of ours begins with. A pooler drops it, or refuses the session. The statement that pins the session is not
 * to be ended by a limit that the role has.
 */
export const OWN_SESSION = { "autoembed.session": "own", statement_timeout: "0" } as const;

/** Limits of a role that end a session of ours in its work: those that this server knows. Reading pg_settings takes a millisecond. */
const UNLIMITED = ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"].map(
  (name) =>
    `case when current_setting('${name}', true) is not null then set_config('${name}', '0', false) end`,
);

/** SQL for whether the server is the embedded one: one session, which ignores what a connection asks for. */
export const IS_EMBEDDED = "version() ~* 'emscripten'";

/** Whether the session began with our settings. */
const IS_OWN = `coalesce(current_setting('autoembed.session', true), '') = 'own' or ${IS_EMBEDDED}`;

/**
 * Pins a session, and returns one row; none where the session did not begin with our settings, and nothing was pinned: it
 * may be another client's next. A statement that is still at work when this process has given it up is ended by the server; the embedded
 * Postgres, which spins on such a limit for ever, is spared.
 */
export function pinSession(
  statementTimeoutMs: number,
  isReadOnly = false,
): { ifOwn: string; always: string } {
  const remembered = [...Object.keys(PATH), ...Object.keys(FORMATS)].map(
    (name) => `set_config('${rememberedAs(name)}', current_setting('${name}'), false)`,
  );
  const writes = isReadOnly ? "set_config('default_transaction_read_only', 'on', false)" : WRITABLE;
  const pinned = Object.entries({ ...PATH, ...FORMATS, ...OTHERS }).map(
    ([name, value]) => `set_config('${name}', '${value}', false)`,
  );
  const timeout = `case when not (${IS_EMBEDDED})
    then set_config('statement_timeout', '${Math.min(statementTimeoutMs, 2 ** 31 - 1)}ms', false) end`;
  const always = `select ${[...remembered, ...pinned, writes, ...UNLIMITED, timeout].join(",\n  ")}`;
  return { ifOwn: `${always}\n  where ${IS_OWN}`, always };
}

/** What a session had before it was pinned; where it is not ours alone, and so not pinned, what it has. */
function remembered(name: Remembered): RawBuilder<string> {
  const own = sql.lit(rememberedAs(name));
  return sql`set_config(${sql.lit(name)},
    coalesce(nullif(current_setting(${own}, true), ''), current_setting(${sql.lit(name)})), true)`;
}

/** Sets back the search path, for the rest of the transaction. */
export const roleSearchPath = remembered("search_path");

/**
 * True. Evaluated before a user's table is written: from then on its triggers see values as their role does. It reads all
 * of the CTE `read` first, whose texts have to be computed under our settings.
 */
export function restoreFormats(read: string): RawBuilder<boolean> {
  return sql`(select num_nonnulls(${sql.join(Object.keys(FORMATS).map((name) => remembered(name as Remembered)))}) > 0
    from (select count(*) from ${sql.id(read)}) r)`;
}
