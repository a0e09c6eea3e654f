import pg from "pg";
import { SetupError } from "../errors.ts";
import { splitOptions, wantedServer, withUserInfo } from "./connection-url.ts";
import { isRefusedPassword } from "./database-fault.ts";
import {
  latestUrl,
  passwordSource,
  printedPassword,
  renewPassword,
  type Recipient,
} from "./password-source.ts";

type Connected = (error: Error | null, client?: pg.Client) => void;

/**
 * pg's client, and what pg does not do: each connection gets its password from where the address has it (a command, or a
 * file that is rewritten), and `target_session_attrs` is obeyed.
 */
export function clientOf(databaseUrl: string): typeof pg.Client {
  const wanted = wantedServer(databaseUrl);
  if (passwordSource(databaseUrl) === undefined && wanted === undefined) return pg.Client;
  return class extends pg.Client {
    constructor(config: string | pg.ClientConfig = {}) {
      super(withLatest(databaseUrl, config));
    }

    override connect(): Promise<pg.Client>;
    override connect(connected: Connected): void;
    override connect(connected?: Connected): unknown {
      const opened = this.#open();
      if (connected === undefined) return opened;
      opened.then(
        () => {
          connected(null, this);
        },
        (error: unknown) => {
          connected(error as Error);
        },
      );
      return undefined;
    }

    async #open(): Promise<pg.Client> {
      const source = passwordSource(databaseUrl);
      try {
        if (source !== undefined && "command" in source)
          this.password = await printedPassword(source.command, recipient(this));
        await super.connect();
      } catch (error) {
        if (isRefusedPassword(error)) renewPassword(databaseUrl, recipient(this));
        throw error;
      }
      if (wanted !== undefined) await this.#requireServer(wanted);
      return this;
    }

    async #requireServer(wanted: "standby" | "writable" | "read-only"): Promise<void> {
      const { rows } = await this.query<{ standby: boolean; read_only: boolean }>(
        `select pg_catalog.pg_is_in_recovery() as standby,
           pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool as read_only`,
      );
      const { standby = false, read_only: readOnly = false } = rows[0] ?? {};
      const is = { standby, writable: !readOnly, "read-only": readOnly }[wanted];
      if (is) return;
      await this.end();
      throw new SetupError(
        `The server of DATABASE_URL is ${standby ? "a standby" : readOnly ? "read-only" : "a primary"}, and target_session_attrs does not want it.`,
        "Name the server that is wanted, by a DNS name or a proxy that follows it; or leave target_session_attrs out.",
      );
    }
  };
}

/**
 * The address with its password in it, for a client that takes nothing else; the same where it has no other source.
 * @throws {SetupError} if the command fails
 */
export async function urlWithPassword(databaseUrl: string): Promise<string> {
  const source = passwordSource(databaseUrl);
  if (source === undefined) return databaseUrl;
  if ("file" in source) return latestUrl(databaseUrl);
  const client = new pg.Client({ connectionString: databaseUrl });
  return withUserInfo(
    databaseUrl,
    client.user ?? "",
    await printedPassword(source.command, recipient(client)),
  );
}

/** That connection could not be made: its next gets another password, if this one was refused. */
export function passwordRefused(databaseUrl: string, error: unknown): void {
  if (isRefusedPassword(error))
    renewPassword(databaseUrl, recipient(new pg.Client({ connectionString: databaseUrl })));
}

function recipient({ host, port, user = "", database = "" }: pg.Client): Recipient {
  return { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database };
}

function withLatest(databaseUrl: string, config: string | pg.ClientConfig): string | pg.ClientConfig {
  const url = latestUrl(databaseUrl);
  if (url === databaseUrl || typeof config === "string") return config;
  const connectionString = config.options === undefined ? url : splitOptions(url).connectionString;
  return { ...config, connectionString };
}
