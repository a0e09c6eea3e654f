import { readFileSync } from "node:fs";
import pg from "pg";
import type { WantedServer } from "./wanted-server.ts";

/** The parameters of a connection string that name files. */
const TLS_FILES = ["sslrootcert", "sslcert", "sslkey"] as const;

/** The values of `target_session_attrs` in libpq. */
const TARGETS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"];

const EXPECTED = "expected a URL such as postgres://user@host:5432/database";
const UNENCODED =
  "percent-encode # / ? in the password (%23 %2F %3F), or leave it out and set PGPASSWORD to it";

const BROKEN_ESCAPE =
  "it has a % that begins no character of UTF-8: write % itself as %25, and an umlaut as the bytes of UTF-8 (%C3%A4)";

/** The parameters of a connection string, whatever stands before them. */
function parametersOf(databaseUrl: string): URLSearchParams {
  const [, ...query] = databaseUrl.split("?");
  return new URLSearchParams(query.join("?"));
}

function withParameters(databaseUrl: string, parameters: URLSearchParams): string {
  const [address = ""] = databaseUrl.split("?");
  return parameters.size === 0 ? address : `${address}?${parameters.toString()}`;
}

/** A connection string without its `options`, and these. */
export function splitOptions(databaseUrl: string): {
  readonly connectionString: string;
  readonly options: readonly string[];
} {
  const parameters = parametersOf(databaseUrl);
  const options = parameters.getAll("options");
  if (options.length === 0) return { connectionString: databaseUrl, options };
  parameters.delete("options");
  return { connectionString: withParameters(databaseUrl, parameters), options };
}

/**
 * A connection string that says by the names of today what pg understands by it. pg verifies the server in each of the modes
 * `prefer`, `require` and `verify-ca`, and warns at each start that it will not for ever; `sslrootcert=system` is
 * libpq's name for the authorities that Node.js trusts.
 */
export function plainConnectionString(databaseUrl: string): string {
  const parameters = parametersOf(databaseUrl);
  const trustsSystem = parameters.get("sslrootcert") === "system";
  const isAlias =
    parameters.get("uselibpqcompat") !== "true" &&
    ["prefer", "require", "verify-ca"].includes(parameters.get("sslmode") ?? "");
  if (!trustsSystem && !isAlias) return databaseUrl;
  if (trustsSystem) parameters.delete("sslrootcert");
  parameters.set("sslmode", "verify-full");
  return withParameters(databaseUrl, parameters);
}

/** Whether an address has a password of its own. */
export function hasPassword(databaseUrl: string): boolean {
  return /^\w+:\/\/[^/?@:]*:[^/?]+@/.test(databaseUrl) || parametersOf(databaseUrl).has("password");
}

/** The address with this user and password. */
export function withUserInfo(databaseUrl: string, user: string, password: string): string {
  const userInfo = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return databaseUrl.replace(/^(\w+:\/\/)([^/?@]*@)?/, (_, scheme: string) => `${scheme}${userInfo}`);
}

/** Which kinds of server `target_session_attrs` wants, the one it prefers first; undefined where any will do. */
export function wantedServers(databaseUrl: string): readonly (WantedServer | undefined)[] {
  const target = parametersOf(databaseUrl).get("target_session_attrs");
  if (target === "read-write" || target === "primary") return ["writable"];
  if (target === "prefer-standby") return ["standby", undefined];
  return target === "read-only" || target === "standby" ? [target] : [undefined];
}

/** Milliseconds that `connect_timeout` gives a connection to open, 0 (also for a negative one, as in libpq) for as long as it takes; undefined if the address has none. */
export function connectTimeoutMs(databaseUrl: string): number | undefined {
  const seconds = parametersOf(databaseUrl).get("connect_timeout");
  return seconds === null ? undefined : Math.max(0, Number(seconds)) * 1000;
}

/**
 * The addresses that a connection string lists, each with one host: `postgres://user@a:5432,b:5433/app`.
 * A host without a port has 5432, as in libpq's URLs.
 */
export function addressesOf(databaseUrl: string): readonly string[] {
  const parts = /^(postgres(?:ql)?:\/\/(?:[^/?]*@)?)([^/?@]*,[^/?@]*)((?:[/?].*)?)$/.exec(databaseUrl);
  if (parts === null) return [databaseUrl];
  const [, before = "", list = "", after = ""] = parts;
  return list.split(",").map((host) => `${before}${host}${after}`);
}

/** Why nothing can be reached by a connection string, as a sentence without its values; undefined if pg takes it. */
export function connectionStringProblem(databaseUrl: string): string | undefined {
  // A URL is read without them, so that what stands in another line would be part of a name, which errors repeat.
  if (/[\r\n\t]/.test(databaseUrl.trim())) return "expected one line without tabs";
  if (!/^(postgres(ql)?:|socket:|\/)/.test(databaseUrl)) return EXPECTED;
  const target = parametersOf(databaseUrl).get("target_session_attrs");
  if (target !== null && !TARGETS.includes(target))
    return `target_session_attrs should be one of ${TARGETS.join(", ")}`;
  if (!/^-?\d{1,5}$/.test(parametersOf(databaseUrl).get("connect_timeout") ?? "0"))
    return "connect_timeout should be a whole number of seconds, or 0 for no limit";
  const addresses = addressesOf(plainConnectionString(databaseUrl));
  if (addresses.length > 1 && addresses.some(namesNoHost)) return "expected a host on each side of a comma";
  return unreadableFile(databaseUrl) ?? addresses.map(unparsable).find((problem) => problem !== undefined);
}

function namesNoHost(address: string): boolean {
  return /^\w+:\/\/([^/?]*@)?(:\d+)?([/?]|$)/.test(address);
}

function unparsable(databaseUrl: string): string | undefined {
  try {
    // Nothing is sent before `connect`.
    const { database = "" } = new pg.Client({ connectionString: databaseUrl });
    // What stands behind a slash in the password is taken for the database.
    return database.includes("@") ? UNENCODED : undefined;
  } catch {
    if (hasBrokenEscape(databaseUrl)) return BROKEN_ESCAPE;
    return databaseUrl.includes("@") ? `${EXPECTED}; ${UNENCODED}` : EXPECTED;
  }
}

function hasBrokenEscape(databaseUrl: string): boolean {
  try {
    decodeURIComponent(databaseUrl);
    return false;
  } catch {
    return true;
  }
}

function unreadableFile(databaseUrl: string): string | undefined {
  const parameters = parametersOf(plainConnectionString(databaseUrl));
  for (const name of TLS_FILES) {
    const file = parameters.get(name) ?? "";
    if (file === "") continue;
    try {
      readFileSync(file);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      return `${name} should name a file that this process may read; ${file} cannot be read (${code})`;
    }
  }
  return undefined;
}
