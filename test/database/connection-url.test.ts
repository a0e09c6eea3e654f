import { createServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createSecureContext, TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connectionProblem } from "../../src/database/connection-problem.ts";
import { sessionOptions } from "../../src/database/session-options.ts";
import { runCommand } from "../support/command.ts";
import { addressesOf } from "../../src/database/connection-url.ts";

const url = (DATABASE_URL: string): string | undefined => readConfig({ DATABASE_URL }).DATABASE_URL;

test.each([
  "postgresql://user:pass@/db?host=/cloudsql/project:region:instance",
  "postgres:///postgres?host=/var/run/postgresql&user=postgres",
  "postgres://%2Fvar%2Frun%2Fpostgresql/postgres",
  "socket:/var/run/postgresql?db=postgres",
  "socket://user:pass@/var/run/postgresql?db=postgres",
  "/var/run/postgresql postgres",
  "postgres://u:p@ss@h/d",
  "postgres://host/db?target_session_attrs=read-write",
])("the connection string %s, which pg takes, is taken", (given) => {
  expect(url(given)).toBe(given);
});

test.each([
  ["postgres://u:s3cret#1@h/d", "percent-encode # / ? in the password (%23 %2F %3F)"],
  ["postgres://u:s3cret/1@h/d", "percent-encode"],
  ["postgres://u:s3cret?1@h/d", "PGPASSWORD"],
  ["postgres://u:12/s3cret@h", "percent-encode"],
  ["mysql://u:s3cret@h/d", "expected a URL such as postgres://"],
  ["postgres://u@h/d\ns3cret", "expected one line"],
  ["postgres://u@h/d\ts3cret", "without tabs"],
])("%s is refused with what to do, and without its password", (given, expected) => {
  const read = () => url(given);
  expect(read).toThrow(expected);
  expect(read).not.toThrow("s3cret");
});

test.each([
  ["postgres://h/d?sslmode=require", "postgres://h/d?sslmode=verify-full"],
  ["postgres://h/d?sslmode=prefer&x=1", "postgres://h/d?sslmode=verify-full&x=1"],
  ["postgres://h/d?sslmode=verify-full&sslrootcert=system", "postgres://h/d?sslmode=verify-full"],
  ["postgres://h/d?sslrootcert=system", "postgres://h/d?sslmode=verify-full"],
  ["postgres://h/d?sslmode=no-verify", "postgres://h/d?sslmode=no-verify"],
  [
    "postgres://h/d?uselibpqcompat=true&sslmode=require",
    "postgres://h/d?uselibpqcompat=true&sslmode=require",
  ],
])("%s means %s, for which pg prints no warning", (given, plain) => {
  expect(url(given)).toBe(plain);
});

test("the options of a connection string without a host stand before ours", () => {
  expect(sessionOptions("postgres://u:p@/d?host=/run&options=-c%20work_mem%3D8MB", { jit: "off" })).toEqual({
    connectionString: "postgres://u:p@/d?host=%2Frun",
    options: "-c work_mem=8MB -c jit=off",
  });
});

test("a certificate of a private authority is refused with the parameters that help, and no password", async () => {
  const server = createServer((client) => {
    client.on("error", () => undefined);
    client.once("data", () => {
      client.write("S");
      secured(client);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const status = runCommand(["status"], {
    DATABASE_URL: `postgres://u:s3cret@127.0.0.1:${port}/d?sslmode=require`,
  });
  expect(await status.exited).toBe(1);
  expect(status.stderr()).toContain("sslmode=verify-full&sslrootcert=FILE");
  expect(status.stderr()).toContain("no-verify");
  expect(status.stderr()).not.toMatch(/WARNING|s3cret/);
});

test.each([
  ["The server does not support SSL connections", "leave sslmode out"],
  ['no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption', "sslmode=verify-full"],
  [
    'pg_hba.conf rejects connection for host "10.0.0.1", user "u", database "d", no encryption',
    "Otherwise add a line for this host",
  ],
  [
    'pg_hba.conf rejects connection for host "10.0.0.1", user "u", database "d", SSL encryption',
    "To be let in, add a line for this host",
  ],
  ["server error: SSL required", "The server wants TLS"],
  ['password authentication failed for user "u"', "PGPASSWORD"],
  ["connect ECONNREFUSED 127.0.0.1:1", "Check host, port"],
  ["self-signed certificate in certificate chain", "Name the authority of the server's certificate"],
  ["certificate has expired", "Renew the server's certificate"],
  [
    "Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not in the cert's list: ",
    "Name the server",
  ],
  ["connection requires a valid client certificate", "sslcert=FILE&sslkey=FILE"],
  ['certificate authentication failed for user "u"', "sslcert=FILE&sslkey=FILE"],
  ["error:05800074:x509 certificate routines::key values mismatch", "sslcert=FILE&sslkey=FILE"],
  [
    "80:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../s3.c:1:SSL alert number 48\n",
    "sslcert",
  ],
  ['too many connections for role "u"', "alter role … connection limit"],
  ["sorry, too many clients already", "max_connections"],
  ["remaining connection slots are reserved for roles with the SUPERUSER attribute", "max_connections"],
])("a connection that fails with `%s` names the remedy", (reason, remedy) => {
  expect(connectionProblem(new Error(reason)).remedy).toContain(remedy);
});

test("What OpenSSL says is repeated without the places in its code", () => {
  const alert = "sslv3 alert certificate expired";
  const error = new Error(
    `80BC:error:0A000415:SSL routines:ssl3_read_bytes:${alert}:../a/b.c:1:SSL alert number 45\n`,
  );
  expect(connectionProblem(error).message).toBe(`Cannot use the database of DATABASE_URL: ${alert}.`);
});

function secured(client: Socket): void {
  const file = (name: string): Buffer => readFileSync(new URL(`../support/tls/${name}`, import.meta.url));
  const secureContext = createSecureContext({ key: file("key.pem"), cert: file("certificate.pem") });
  new TLSSocket(client, { isServer: true, secureContext }).on("error", () => undefined);
}

test("Only hosts are a list: a comma in a name or a password lists none", () => {
  expect(addressesOf("postgres://u@a:5432,b/d")).toEqual(["postgres://u@a:5432/d", "postgres://u@b/d"]);
  for (const one of ["postgres://u:pa,ss@h:5432/d", "postgres://u,v:p@h/d", "postgres://u@h/d?options=a,b"])
    expect(addressesOf(one)).toEqual([one]);
});
