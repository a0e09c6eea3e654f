import type pg from "pg";
import { SetupError } from "../errors.ts";

/** What `target_session_attrs` may want of a server. */
export type WantedServer = "standby" | "writable" | "read-only";

interface Kind {
  readonly standby: boolean;
  readonly readOnly: boolean;
}

async function kindOf(client: pg.Client): Promise<Kind> {
  const { rows } = await client.query<Kind>(
    `select pg_catalog.pg_is_in_recovery() as standby,
       pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool as "readOnly"`,
  );
  return rows[0] ?? { standby: false, readOnly: false };
}

function is({ standby, readOnly }: Kind, wanted: WantedServer): boolean {
  return { standby, writable: !readOnly, "read-only": readOnly }[wanted];
}

export async function isWanted(client: pg.Client, wanted: WantedServer): Promise<boolean> {
  return is(await kindOf(client), wanted);
}

/** Closes the connection unless it leads to such a server. @throws {SetupError} */
export async function requireServer(client: pg.Client, wanted: WantedServer): Promise<void> {
  const kind = await kindOf(client);
  if (is(kind, wanted)) return;
  await client.end();
  throw new SetupError(
    `The server of DATABASE_URL is ${kind.standby ? "a standby" : kind.readOnly ? "read-only" : "a primary"}, and target_session_attrs does not want it.`,
    "Name the server that is wanted, by a list of hosts, a DNS name or a proxy that follows it; or leave target_session_attrs out.",
  );
}
