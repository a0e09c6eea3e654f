import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote } from "../database/identifier.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";

/** From this share of the notification queue on it is worth a look: when it is full, every commit that notifies fails. */
const NOTIFICATIONS_FULL = 0.5;

export interface DatabaseFacts {
  readonly encoding: string;
  readonly read_only: boolean;
  /** The schemas in which every role may create objects. */
  readonly open_schemas: readonly string[];
  readonly notifications: number;
  /** After so much idleness the server ends a session of this role; 0: never. */
  readonly idle_session_ms: number;
}

/** Checks what the server and the database let happen to texts and to us: encoding, a standby, schemas open to all. */
export async function examineDatabase(db: Database): Promise<Finding[]> {
  const { rows } = await sql<DatabaseFacts>`
    select current_setting('server_encoding') as encoding,
      current_setting('transaction_read_only')::bool as read_only,
      array(select n.nspname::text from pg_namespace n, aclexplode(n.nspacl) a
        where a.grantee = 0 and a.privilege_type = 'CREATE' and n.nspname !~ '^pg_' order by 1) as open_schemas,
      pg_notification_queue_usage() as notifications,
      coalesce((select setting::float8 from pg_settings where name = 'idle_session_timeout'), 0) as idle_session_ms`.execute(
    db,
  );
  return rows.flatMap(judgeDatabase);
}

export function judgeDatabase(facts: DatabaseFacts): Finding[] {
  return [
    encoding(facts.encoding),
    ...(facts.read_only ? [standby()] : []),
    ...facts.open_schemas.map(openSchema),
    ...(facts.notifications < NOTIFICATIONS_FULL ? [] : [notifications(facts.notifications)]),
    ...(facts.idle_session_ms === 0 ? [] : [idleSessions(facts.idle_session_ms)]),
  ];
}

function encoding(name: string): Finding {
  return name === "SQL_ASCII"
    ? problem(
        "The database has the encoding SQL_ASCII, which takes bytes that are no text: one such row stops its source.",
        "Move the data to a database with the encoding UTF8: pg_dump --encoding=UTF8, then restore it.",
      )
    : ok(`The database has the encoding ${name}`);
}

function standby(): Finding {
  return problem(
    "The database takes no writes: it is a standby, or read-only.",
    "Name the primary in DATABASE_URL: by a DNS name that follows it, or a proxy that does.",
  );
}

function openSchema(name: string): Finding {
  return warning(
    `Every role may create objects in the schema ${name}: a function there can be taken for another one that a text or a trigger of yours calls.`,
    `As its owner: revoke create on schema ${quote(name)} from public;`,
  );
}

function idleSessions(milliseconds: number): Finding {
  return warning(
    `The server ends a session that is idle for ${formatDuration(milliseconds / 1000)} (idle_session_timeout): the one that receives notifications is, and until it is back only the poll finds changes.`,
    "For the listener's role alone: alter role … set idle_session_timeout = 0;",
  );
}

function notifications(share: number): Finding {
  return warning(
    `The queue of notifications is ${Math.round(100 * share)} % full: when it is full, writes to watched tables fail.`,
    "A session that has sent LISTEN keeps a transaction open. Find and end it: select pid, xact_start, query from pg_stat_activity where xact_start is not null order by xact_start;",
  );
}
