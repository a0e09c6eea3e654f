import type pg from "pg";
import { CLAIM, kindOf, RESERVE, type StatementKind } from "./statement-kinds.ts";

export interface StatementTimes {
  readonly calls: number;
  readonly microseconds: number;
  readonly walBytes: number;
}

interface Statement extends StatementTimes {
  readonly query: string;
  readonly toplevel: boolean;
}

/** Why the server cannot tell what its statements cost; undefined if it can. */
export async function whyNoStatementTimes(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ libraries: string }>(
    "select current_setting('shared_preload_libraries') as libraries",
  );
  return rows[0]?.libraries.includes("pg_stat_statements") === true
    ? undefined
    : "not measured: start Postgres with shared_preload_libraries=pg_stat_statements";
}

/** From the next session on, the server keeps the times of this database's statements, with those within functions. */
export async function keepStatementTimes(client: pg.Client): Promise<void> {
  await client.query("create extension pg_stat_statements");
  const database = client.escapeIdentifier(client.database ?? "");
  for (const setting of ["track = 'all'", "track_planning = on"])
    await client.query(`alter database ${database} set pg_stat_statements.${setting}`);
}

/** What was kept, by kind; and the statements that are of no kind, under their own text. */
export async function readStatementTimes(
  client: pg.Client,
): Promise<{ kinds: Map<StatementKind, StatementTimes>; others: Map<string, StatementTimes> }> {
  const { rows } = await client.query<Statement>(`
    select query, toplevel, calls::float8 as calls, 1000 * (total_plan_time + total_exec_time) as microseconds,
      wal_bytes::float8 as "walBytes"
    from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())`);
  const kinds = new Map<StatementKind, StatementTimes>();
  const others = new Map<string, StatementTimes>();
  for (const statement of rows) {
    const kind = kindOf(statement.query);
    // The statements within functions are part of those that call them; one of them is shown by itself.
    if (!statement.toplevel && kind !== RESERVE) continue;
    add(kinds, kind, statement, 1);
    if (kind === RESERVE) add(kinds, CLAIM, { ...statement, calls: 0 }, -1);
    if (kind === "other") add(others, statement.query.replaceAll(/\s+/g, " "), statement, 1);
  }
  return { kinds, others };
}

function add<Key>(to: Map<Key, StatementTimes>, key: Key, times: StatementTimes, sign: 1 | -1): void {
  const { calls, microseconds, walBytes } = to.get(key) ?? { calls: 0, microseconds: 0, walBytes: 0 };
  to.set(key, {
    calls: calls + times.calls,
    microseconds: microseconds + sign * times.microseconds,
    walBytes: walBytes + sign * times.walBytes,
  });
}
