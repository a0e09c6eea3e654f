import { SetupError } from "../errors.ts";

/** What a pooler between us and Postgres refuses. It concerns the connection, never a table or a row. */
export interface PoolerFault {
  /** A sentence without its full stop. */
  readonly problem: string;
  readonly remedy: string;
  /** Whether another connection of this process would have to end first: it is worth waiting for. */
  readonly isFull?: true;
}

const PAST_THE_POOLER =
  "Set LISTEN_DATABASE_URL to an address of the same database that leads past the pooler, or to the pooler's session mode. DATABASE_URL may stay as it is.";

const SHARED_SESSIONS: PoolerFault = {
  problem: "a pooler that shares its sessions stands before the database, and no address past it is set",
  remedy: PAST_THE_POOLER,
};

/** By what PgBouncer, Supavisor, RDS Proxy, PgCat and Odyssey say. */
const BY_MESSAGE: readonly (readonly [RegExp, PoolerFault])[] = [
  [/unsupported startup parameter|doesn't support command-line options/i, SHARED_SESSIONS],
  [
    /MaxClientsInSessionMode|EMAXCONN|max clients reached|max_client_conn|no more connections allowed/i,
    {
      problem: "the pooler before the database has as many clients as it takes",
      remedy:
        "Raise its limit (Supabase: Pool Size; PgBouncer: max_client_conn), or lower EMBED_MAX_CONNECTIONS. In transaction mode clients share connections: use that address as DATABASE_URL, and one past the pooler as LISTEN_DATABASE_URL.",
      isFull: true,
    },
  ],
  [
    /query_wait_timeout|timed-out waiting to acquire database connection/i,
    {
      problem: "the pooler before the database had no connection to the server free in time",
      remedy:
        "Other clients hold them all, or pin them to their sessions. Raise its pool (PgBouncer: default_pool_size; RDS Proxy: MaxConnectionsPercent), or lower EMBED_MAX_CONNECTIONS.",
    },
  ],
  [
    /tenant or user not found|ENOTFOUND.*tenant/i,
    {
      problem: "the pooler does not know this user or project",
      remedy:
        "Supabase's pooler takes the user as postgres.PROJECT and has one host per region: copy its address from the dashboard (Connect).",
    },
  ],
  [
    /server_login_retry|server login has been failing|server conn(ection)? crashed|cannot connect to server/i,
    {
      problem: "the pooler answers, and the server behind it does not",
      remedy: "Look at the pooler's log: why it cannot log in to Postgres.",
    },
  ],
];

/** A prepared statement that exists already, or does not: it was prepared in another session. */
const PREPARED_ELSEWHERE = new Set(["42P05", "26000"]);

interface FromServer {
  readonly code: string;
  readonly message: string;
  readonly where?: string | undefined;
  readonly internalQuery?: string | undefined;
}

/** @returns undefined where the error is not a pooler's doing */
export function poolerFault({ code, message, where, internalQuery }: FromServer): PoolerFault | undefined {
  // User code may raise any code and any words.
  if (where !== undefined || internalQuery !== undefined) return undefined;
  if (PREPARED_ELSEWHERE.has(code)) return SHARED_SESSIONS;
  // Poolers say what they refuse by codes of connections, by "internal error", and by "feature not supported".
  if (!/^(08|28|53|57|XX|0A|3D|58)/.test(code)) return undefined;
  return BY_MESSAGE.find(([pattern]) => pattern.test(message))?.[1];
}

/** The error of a session that others use too. */
export function sessionsAreShared(): SetupError {
  const { problem, remedy } = SHARED_SESSIONS;
  return new SetupError(`${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`, remedy);
}
