import { sql } from "kysely";
import { invocation } from "../invocation.ts";
import { formatDuration } from "../timing/format-duration.ts";
import type { Database } from "../database/connect.ts";
import { quote } from "../database/identifier.ts";
import { QUEUE_TABLE, queueBloat } from "../queue/bloat.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";

/** Bloat is reported from this many dead rows on, if they also outnumber the live rows two to one. */
const DEAD_ROWS = 50_000;
const LONG_TRANSACTION_SECONDS = 600;
const SKEW_MS = 5_000;

const NEEDED = [
  ["autoembed.embedding_source", "select"],
  [QUEUE_TABLE, "select, insert, update, delete"],
  ["autoembed.embedding_backfill", "select, insert, update, delete"],
  ["autoembed.embedding_page", "select, insert, update, delete"],
  ["autoembed.embedding_batch", "select, insert, update, delete"],
  ["autoembed.embedding_ledger", "select, insert, update, delete"],
  ["autoembed.embedding_model", "select, insert"],
  ["autoembed.embedding_cache", "select, insert, update, delete"],
  ["autoembed.embedding_question", "select, insert, update, delete"],
  ["autoembed.embedding_asked", "select, update, delete"],
  ["autoembed.embedding_reservation", "select, insert, update, delete"],
  ["autoembed.embedding_listener", "select, insert, update, delete"],
  ["autoembed.embedding_usage", "select, insert, update"],
  ["autoembed.embedding_spending", "select, insert, update"],
] as const;

interface Server {
  readonly version: string;
  readonly installed: string;
  readonly available: string | null;
  readonly role: string;
  readonly now_ms: number;
}

/** Checks pgvector, the grants on our own tables, the queue's bloat, long transactions and the clocks. */
export async function examineServer(db: Database): Promise<Finding[]> {
  const asked = Date.now();
  const { rows } = await sql<Server>`
    select current_setting('server_version') as version, extversion as installed, current_user as role,
      (select default_version from pg_available_extensions where name = 'vector') as available,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms
    from pg_extension where extname = 'vector'`.execute(db);
  const [server] = rows;
  if (server === undefined) {
    return [
      problem(
        "This database has no pgvector.",
        `As its owner: create extension vector; then ${invocation("migrate")}`,
      ),
    ];
  }
  return [
    pgvector(server),
    await grants(db, server.role),
    await bloat(db),
    ...(await longTransactions(db)),
    clocks(server.now_ms, asked),
  ];
}

function pgvector({ version, installed, available }: Server): Finding {
  const what = `Postgres ${version} with pgvector ${installed}`;
  if (isOlder(installed, [0, 8])) {
    const remedy =
      available !== null && !isOlder(available, [0, 8])
        ? "As its owner: alter extension vector update;"
        : "Update pgvector on the server, then: alter extension vector update;";
    return warning(`${what}: before 0.8, a filtered search may miss rows.`, remedy);
  }
  return ok(what);
}

async function grants(db: Database, role: string): Promise<Finding> {
  const { rows } = await sql<{ missing: string }>`
    select n.relation as missing
    from unnest(${NEEDED.map(([table]) => table)}::text[], ${NEEDED.map(([, needed]) => needed)}::text[]) as n(relation, privileges)
    where exists (select from unnest(string_to_array(n.privileges, ', ')) p where not has_table_privilege(n.relation, p))
    union all
    select 'autoembed.embedding_source' where not has_column_privilege('autoembed.embedding_source', 'trouble', 'update')`.execute(
    db,
  );
  if (rows.length === 0) return ok(`The role ${role} has the rights of a listener`);
  return problem(
    `The role ${role} lacks rights on ${[...new Set(rows.map(({ missing }) => missing))].join(", ")}.`,
    `As the owner of the schema autoembed: select autoembed.grant_listener('${quote(role)}');`,
  );
}

async function bloat(db: Database): Promise<Finding> {
  const { dead, live, bytes } = await queueBloat(db);
  const size = `the queue takes ${(bytes / 1_048_576).toFixed(1)} MB, with ${live} live and ${dead} dead rows`;
  if (dead < DEAD_ROWS || dead < 2 * live) return ok(size);
  return warning(
    `Autovacuum falls behind: ${size}.`,
    `End the long transactions listed below, if there are any, then: vacuum ${QUEUE_TABLE};`,
  );
}

async function longTransactions(db: Database): Promise<Finding[]> {
  const { rows } = await sql<{ pid: number; seconds: number; state: string | null }>`
    select pid, extract(epoch from now() - xact_start)::float8 as seconds, state from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
      and (backend_xid is not null or backend_xmin is not null)
      and xact_start < now() - ${LONG_TRANSACTION_SECONDS} * interval '1 second'
    order by xact_start limit 5`.execute(db);
  return rows.map(({ pid, seconds, state }) =>
    warning(
      `Process ${pid} has had a transaction open for ${formatDuration(seconds)} (${state ?? "state unknown"}): no row that died since can be vacuumed.`,
      `End it in the program that began it, or: select pg_terminate_backend(${pid});`,
    ),
  );
}

/** Nothing depends on equal clocks, but graphs and logs are hard to read without them. */
function clocks(serverMs: number, askedMs: number): Finding {
  const skewMs = serverMs - (askedMs + Date.now()) / 2;
  if (Math.abs(skewMs) < SKEW_MS) return ok("The clocks here and on the server agree");
  return warning(
    `The server's clock is ${formatDuration(Math.abs(skewMs) / 1000)} ${skewMs > 0 ? "ahead of" : "behind"} this machine's.`,
    "Embedding uses only the server's clock. Set both by NTP, so that logs and metrics can be compared.",
  );
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a < major || (a === major && b < minor);
}
