import { readFileSync } from "node:fs";
import { SetupError } from "../errors.ts";
import { connectionStringProblem, plainConnectionString } from "./connection-url.ts";
import { printedSecret } from "./printed-secret.ts";

/** Where the password of an address comes from, if it is not in the address for good. */
export type PasswordSource =
  | { readonly command: string }
  /** A file with the whole address, which something else rewrites. */
  | { readonly file: string };

/** Whom a password is for, as libpq's variables: tokens of RDS are made for one host, port and user. */
export type Recipient = Readonly<Record<"PGHOST" | "PGPORT" | "PGUSER" | "PGDATABASE", string>>;

/** The setting that names the command. */
export const PASSWORD_COMMAND = "DATABASE_PASSWORD_COMMAND";

/** A pool that opens four connections at once runs the command once. */
const KEPT_MS = 30_000;

const sources = new Map<string, PasswordSource>();
/** Of addresses in a file: as it was read last. */
const latest = new Map<string, string>();
const printed = new Map<string, { readonly at: number; readonly password: Promise<string> }>();

/** From now on, connections to this address get their passwords there. */
export function setPasswordSource(databaseUrl: string, source: PasswordSource): void {
  sources.set(databaseUrl, source);
}

export function passwordSource(databaseUrl: string): PasswordSource | undefined {
  return sources.get(databaseUrl);
}

/** The address to connect to now: what its file had when it was read last. */
export function latestUrl(databaseUrl: string): string {
  return latest.get(databaseUrl) ?? databaseUrl;
}

/** @throws {SetupError} if the command fails, or prints no password */
export function printedPassword(command: string, recipient: Recipient): Promise<string> {
  const key = keyOf(command, recipient);
  const kept = printed.get(key);
  if (kept !== undefined && performance.now() - kept.at < KEPT_MS) return kept.password;
  const password = printedSecret(PASSWORD_COMMAND, command, recipient).then(passwordOf);
  printed.set(key, { at: performance.now(), password });
  password.catch(() => printed.delete(key));
  return password;
}

/** After the server has refused the password: the next connection gets another, if there is one by then. */
export function renewPassword(databaseUrl: string, ...recipients: readonly Recipient[]): void {
  const source = sources.get(databaseUrl);
  if (source === undefined) return;
  if ("command" in source) {
    for (const recipient of recipients) printed.delete(keyOf(source.command, recipient));
    return;
  }
  try {
    const address = readFileSync(source.file, "utf8").trim();
    if (connectionStringProblem(address) === undefined)
      latest.set(databaseUrl, plainConnectionString(address));
  } catch {
    // It is being replaced, as one that is empty or cut off. What was read before is refused again, and then it is read again.
  }
}

function passwordOf(output: string): string {
  const password = output.replace(/\r?\n$/, "");
  if (password !== "" && !/[\r\n]/.test(password)) return password;
  throw new SetupError(
    `The command of ${PASSWORD_COMMAND} prints no password: expected one line, got ${password === "" ? "nothing" : "several"}.`,
    "Run it by hand to see why.",
  );
}

function keyOf(command: string, recipient: Recipient): string {
  return JSON.stringify([command, Object.values(recipient)]);
}
