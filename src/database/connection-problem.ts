import { SetupError } from "../errors.ts";
import { isDatabaseError } from "./database-fault.ts";
import { poolerFault } from "./pooler-fault.ts";

const CHECK =
  "Check host, port, user, password and database name in DATABASE_URL, and that the server accepts connections from here.";
const AUTHORITY =
  "Name the authority of the server's certificate, which its operator publishes: sslmode=verify-full&sslrootcert=FILE in DATABASE_URL. " +
  "sslmode=no-verify encrypts without checking whose server it is.";
const RENEW =
  "Renew the server's certificate, and look whether the clock of this machine is right: the dates of the certificate are compared with it.";
const NAME_AS_CERTIFIED =
  "Name the server in DATABASE_URL as its certificate does, or add that name to the certificate.";
const IDENTIFY =
  "The server wants a client's certificate, by an authority that it trusts, within its dates and for this user: sslcert=FILE&sslkey=FILE in DATABASE_URL.";
/** What helps where the server, the database or the role has as many connections as it may have. */
export const RAISE_LIMIT =
  "End connections that others hold, or raise the limit: alter role … connection limit N, alter database … connection limit N, or the server's max_connections.";
const ENCRYPT =
  "append sslmode=verify-full to DATABASE_URL, and sslrootcert=FILE if its authority is its own.";
const ADMIT =
  "add a line for this host, user and database to the server's pg_hba.conf, before any that rejects them.";

/** What OpenSSL says, without the places in its code: `…:error:0A000415:SSL routines:function:what:file:line:` */
const BY_OPENSSL = /^.*?error:\w+:[^:]*:[^:]*:([^:]+)(:[^]*)?$/;

/** What is known to be wrong, and what helps; else everything is to be checked. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /alert .*(certificate|unknown ca)|client certificate|certificate authentication|key values mismatch/i,
    IDENTIFY,
  ],
  [/certificate has expired|certificate is not yet valid/i, RENEW],
  [/altnames/i, NAME_AS_CERTIFIED],
  [/certificate|self[- ]signed|CERT_/i, AUTHORITY],
  [/too many (connections|clients)|connection slots/i, RAISE_LIMIT],
  [
    /server does not support SSL/i,
    "The server has no TLS: leave sslmode out of DATABASE_URL, or set it to disable.",
  ],
  // Postgres ends every refusal of an unencrypted connection with this, whatever the reason is.
  [
    /pg_hba\.conf.*(no encryption|SSL off)/i,
    `If its lines are hostssl, as those of hosted servers are: ${ENCRYPT} Otherwise ${ADMIT}`,
  ],
  [/pg_hba\.conf/, `To be let in, ${ADMIT}`],
  [/SSL\/TLS required|ssl.*required/i, `The server wants TLS: ${ENCRYPT}`],
  [
    /statement timeout/i,
    "The role's statement_timeout is too short for it: alter role … set statement_timeout = '1h'.",
  ],
  [
    /password/i,
    "Check user and password. In DATABASE_URL percent-encode # / ? in the password (%23 %2F %3F), or leave it out and set PGPASSWORD.",
  ],
];

/** What a failed connection means to the person who configured it. The URL, which holds a password, is not repeated. */
export function connectionProblem(error: unknown): SetupError {
  if (error instanceof SetupError) return error;
  const reported = error instanceof AggregateError ? String(error.errors[0]) : String(error);
  const reason = reported.replace(BY_OPENSSL, "$1");
  const remedy =
    (isDatabaseError(error) ? poolerFault(error)?.remedy : undefined) ??
    REMEDIES.find(([pattern]) => pattern.test(reason))?.[1];
  return new SetupError(
    `Cannot use the database of DATABASE_URL: ${reason.replace(/^Error: |^error: /, "")}.`,
    remedy ?? CHECK,
    { cause: error },
  );
}
