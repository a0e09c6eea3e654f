import { unhurried } from "../timing/unhurried.ts";
import { askOnce } from "./ask-once.ts";

export interface ConnectionLimit {
  readonly connections: number;
  /** Whose limit it is, as in "the role app". */
  readonly of: string;
}

/** How many connections this role may have to this database at once; the smallest of the limits that hold for it. */
export async function connectionLimit(databaseUrl: string): Promise<ConnectionLimit> {
  const { rows } = await askOnce(databaseUrl, (client) =>
    unhurried(client, () =>
      client.query<ConnectionLimit>(`
      select l.connections, l.of
      from pg_catalog.pg_roles r, pg_catalog.pg_database d, lateral (values
        (case when not r.rolsuper then nullif(r.rolconnlimit, -1) end, 'the role ' || quote_ident(r.rolname)),
        (case when not r.rolsuper then nullif(d.datconnlimit, -1) end, 'the database ' || quote_ident(d.datname)),
        (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
          - coalesce(current_setting('reserved_connections', true)::int, 0), 'the server')
      ) as l(connections, of)
      where r.rolname = session_user and d.datname = current_database() and l.connections is not null
      order by l.connections limit 1`),
    ),
  );
  return rows[0] ?? { connections: Infinity, of: "the server" };
}
