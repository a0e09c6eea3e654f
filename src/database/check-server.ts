import { unhurried } from "../timing/unhurried.ts";
import { askOnce } from "./ask-once.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { connectionProblem } from "./connection-problem.ts";

/** Postgres 13 gets no more fixes. */
const OLDEST_POSTGRES = 14;

/** `halfvec` came with 0.7.0; indexes on more than 2,000 dimensions need it. */
const OLDEST_PGVECTOR = [0, 7] as const;

interface ServerFacts {
  readonly major: number;
  readonly installed: string | null;
  readonly available: string | null;
  readonly may_create: boolean;
  readonly encoding: string;
}

/** Looks, before anything is changed, whether the server can carry the schema. @throws {SetupError} with what to do. */
export async function checkServer(databaseUrl: string): Promise<void> {
  const facts = await askServer(databaseUrl);
  if (facts.major < OLDEST_POSTGRES) {
    throw new SetupError(
      `Postgres ${facts.major} is too old.`,
      `pg-autoembed needs Postgres ${OLDEST_POSTGRES} or newer.`,
    );
  }
  if (facts.encoding === "SQL_ASCII") {
    throw new SetupError(
      "This database has the encoding SQL_ASCII, which takes bytes that are no text in any encoding.",
      "Use a database with the encoding UTF8: create database … encoding 'UTF8' template template0;",
    );
  }
  const version = facts.installed ?? facts.available;
  if (version === null) {
    throw new SetupError(
      "This server has no pgvector.",
      `Install it on the server (Debian: apt install postgresql-17-pgvector; managed services list it among their extensions), then run \`${invocation("migrate")}\` again.`,
    );
  }
  if (isTooOld(version)) {
    throw new SetupError(
      `pgvector ${version} is too old: ${OLDEST_PGVECTOR.join(".")} or newer is needed.`,
      facts.installed !== null && facts.available !== null && !isTooOld(facts.available)
        ? "Run as its owner: alter extension vector update;"
        : "Update pgvector on the server, then run: alter extension vector update;",
    );
  }
  if (facts.installed === null && !facts.may_create) {
    throw new SetupError(
      "pgvector is on the server but not in this database, and the role may not create it.",
      "Run once as a superuser or the owner of the database: create extension vector;",
    );
  }
}

async function askServer(databaseUrl: string): Promise<ServerFacts> {
  try {
    const { rows } = await askOnce(databaseUrl, (client) =>
      unhurried(client, () =>
        client.query<ServerFacts>(`
      select current_setting('server_version_num')::int / 10000 as major,
        current_setting('server_encoding') as encoding,
        (select extversion from pg_extension where extname = 'vector') as installed,
        (select default_version from pg_available_extensions where name = 'vector') as available,
        coalesce((select bool_or(not superuser or (trusted and has_database_privilege(current_database(), 'create')))
                  from pg_available_extension_versions where name = 'vector'), false)
          or (select rolsuper from pg_roles where rolname = current_user) as may_create`),
      ),
    );
    const [facts] = rows;
    if (facts === undefined) throw new Error("the server answered nothing");
    return facts;
  } catch (error) {
    throw connectionProblem(error);
  }
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < OLDEST_PGVECTOR[0] || (major === OLDEST_PGVECTOR[0] && minor < OLDEST_PGVECTOR[1]);
}
