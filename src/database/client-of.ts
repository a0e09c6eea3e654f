import pg from "pg";
import { ClosingClient } from "./closing-client.ts";
import {
  addressesOf,
  connectTimeoutMs,
  splitOptions,
  wantedServers,
  withUserInfo,
} from "./connection-url.ts";
import { isRefusedPassword } from "./database-fault.ts";
import {
  latestUrl,
  passwordSource,
  printedPassword,
  renewPassword,
  type Recipient,
} from "./password-source.ts";
import { findHost, forgetHost, type PasswordFor } from "./several-hosts.ts";
import { requireServer } from "./wanted-server.ts";

/**
 * pg's client, and what pg does not do: each connection gets its password from where the address has it (a command, or a
 * file that is rewritten), `target_session_attrs` and `connect_timeout` are obeyed, and an address may list several hosts.
 */
export function clientOf(databaseUrl: string): typeof pg.Client {
  const isList = addressesOf(databaseUrl).length > 1;
  const wanted = wantedServers(databaseUrl).at(-1);
  const hasTimeout = connectTimeoutMs(databaseUrl) !== undefined;
  if (passwordSource(databaseUrl) === undefined && wanted === undefined && !isList && !hasTimeout)
    return ClosingClient;
  return class extends ClosingClient {
    constructor(config: string | pg.ClientConfig = {}) {
      super(withTimeout(databaseUrl, withLatest(databaseUrl, config)));
    }

    protected override async open(): Promise<pg.Client> {
      const passwordFor = passwordOf(databaseUrl);
      try {
        if (isList) this.#leadTo(await findHost(latestUrl(databaseUrl), passwordFor));
        if (passwordFor !== undefined) this.password = await passwordFor(this);
        await super.open();
        if (wanted !== undefined) await requireServer(this, wanted);
        return this;
      } catch (error) {
        connectionRefused(databaseUrl, error);
        throw error;
      }
    }

    #leadTo(address: string): void {
      const { host, port } = new pg.Client({ connectionString: address });
      Object.assign(this, { host, port });
      // By these pg looks into a password file.
      const { connectionParameters } = this as unknown as { readonly connectionParameters: object };
      Object.assign(connectionParameters, { host, port });
    }
  };
}

/**
 * The address with its password in it, for a client that takes nothing else; the same where it has no other source.
 * @throws {SetupError} if the command fails
 */
export async function urlWithPassword(databaseUrl: string): Promise<string> {
  const passwordFor = passwordOf(databaseUrl);
  const address = await findHost(latestUrl(databaseUrl), passwordFor);
  if (passwordFor === undefined) return address;
  const client = new pg.Client({ connectionString: address });
  return withUserInfo(address, client.user ?? "", await passwordFor(client));
}

/** That connection could not be made: its next gets another password, if this one was refused, and another host of a list. */
export function connectionRefused(databaseUrl: string, error: unknown): void {
  forgetHost(latestUrl(databaseUrl));
  if (!isRefusedPassword(error)) return;
  // Nothing is sent by these clients. Which host of a list has refused it is not known.
  const clients = addressesOf(databaseUrl).map((connectionString) => new pg.Client({ connectionString }));
  renewPassword(databaseUrl, ...clients.map(recipient));
}

/** What asks the command of an address for a password; undefined if it has none. */
function passwordOf(databaseUrl: string): PasswordFor | undefined {
  const source = passwordSource(databaseUrl);
  if (source === undefined || !("command" in source)) return undefined;
  return (client) => printedPassword(source.command, recipient(client));
}

function recipient({ host, port, user = "", database = "" }: pg.Client): Recipient {
  return { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database };
}

/** The address says how long a connection may take to open, in place of us. */
function withTimeout(databaseUrl: string, config: string | pg.ClientConfig): string | pg.ClientConfig {
  const connectionTimeoutMillis = connectTimeoutMs(databaseUrl);
  if (connectionTimeoutMillis === undefined || typeof config === "string") return config;
  return { ...config, connectionTimeoutMillis };
}

function withLatest(databaseUrl: string, config: string | pg.ClientConfig): string | pg.ClientConfig {
  const [url = databaseUrl] = addressesOf(latestUrl(databaseUrl));
  if (url === databaseUrl || typeof config === "string") return config;
  const connectionString = config.options === undefined ? url : splitOptions(url).connectionString;
  return { ...config, connectionString };
}
