import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import {
  examineEncryption,
  isNear,
  isReadable,
  judgeEncryption,
  type Reached,
} from "../../src/doctor/examine-encryption.ts";
import { prepare } from "../support/listening.ts";

test("A socket can be read on the way if it leads to another machine and has no TLS", () => {
  const here = "10.0.0.5";
  expect(isReadable({ remoteAddress: "10.0.0.9", localAddress: here })).toBe(true);
  expect(isReadable({ remoteAddress: "2001:db8::1", localAddress: "2001:db8::2" })).toBe(true);
  expect(isReadable({ remoteAddress: "10.0.0.9", localAddress: here, encrypted: true })).toBe(false);
  expect(isReadable({ remoteAddress: here, localAddress: here })).toBe(false);
  for (const loopback of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
    expect(isReadable({ remoteAddress: loopback, localAddress: here })).toBe(false);
  expect(isReadable({ remoteAddress: undefined, localAddress: undefined })).toBe(false);
});

test("A socket is near if it has no TLS and both its ends are on this machine", () => {
  const loopback = { remoteAddress: "127.0.0.1", localAddress: "127.0.0.1" };
  expect(isNear(loopback)).toBe(true);
  expect(isNear({ remoteAddress: "10.0.0.5", localAddress: "10.0.0.5" })).toBe(true);
  expect(isNear({ ...loopback, encrypted: true })).toBe(false);
  expect(isNear({ remoteAddress: "10.0.0.9", localAddress: "10.0.0.5" })).toBe(false);
  expect(isNear({ remoteAddress: undefined, localAddress: undefined })).toBe(false);
});

/** A server that a client sees at another address than its own, and that leads to the database. */
async function distantAddress(databaseUrl: string, certificate?: { key: Buffer; cert: Buffer }) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const join = (from: Socket): void => {
    const to = connect(Number(target.port), target.hostname);
    for (const socket of [from, to]) socket.on("error", () => undefined);
    from.pipe(to).pipe(from);
    sockets.add(to);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (certificate === undefined) {
      join(socket);
      return;
    }
    // The client asks for TLS first: https://www.postgresql.org/docs/current/protocol-message-formats.html
    socket.once("data", () => {
      socket.write("S");
      join(new TLSSocket(socket, { isServer: true, ...certificate }));
    });
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = new URL(databaseUrl);
  address.port = String((server.address() as AddressInfo).port);
  return address;
}

test("`doctor` looks at each address of the database as it is reached from here", async () => {
  const { database } = await prepare();
  const safe = [
    { level: "ok", what: "The connection to the database is encrypted, or stays on one machine" },
  ];
  const near = await distantAddress(database.url);
  expect(await examineEncryption({ DATABASE_URL: database.url, LISTEN_DATABASE_URL: near.href })).toEqual(
    safe,
  );
  // Nothing answers there, which other checks report.
  near.port = "1";
  expect(await examineEncryption({ DATABASE_URL: near.href })).toEqual([]);

  const file = (name: string): Buffer => readFileSync(new URL(`../support/tls/${name}`, import.meta.url));
  const unencrypted = ({ encrypted }: { readonly encrypted?: boolean }): boolean => encrypted !== true;
  const secure = await distantAddress(database.url, { key: file("key.pem"), cert: file("certificate.pem") });
  secure.searchParams.set("sslmode", "no-verify");
  const [found, ...others] = await examineEncryption(
    { DATABASE_URL: secure.href, LISTEN_DATABASE_URL: database.url, EMBED_MCP_DATABASE_URL: database.url },
    unencrypted,
  );
  expect(others).toEqual([]);
  expect(found?.level).toBe("problem");
  expect(found?.what).toContain(
    "The connection of LISTEN_DATABASE_URL, EMBED_MCP_DATABASE_URL is not encrypted",
  );
});

test("A connection that both ends see without TLS is one problem, and a pooler's connection to the server is one of its own", () => {
  const bare: Reached = {
    setting: "DATABASE_URL",
    isOpen: true,
    isNear: false,
    encrypted: false,
    remote: true,
  };
  expect(judgeEncryption([bare])).toEqual([
    {
      level: "problem",
      what: expect.stringContaining("The connection of DATABASE_URL is not encrypted") as string,
      remedy: expect.stringContaining("sslmode=verify-full") as string,
    },
  ]);
  // Only the server sees it: the address here is a pooler's, with TLS or a Unix socket. Some servers do not say.
  for (const encrypted of [false, null])
    expect(judgeEncryption([{ ...bare, isOpen: false, encrypted }])).toEqual([
      {
        level: "problem",
        what: expect.stringContaining("DATABASE_URL that reaches the server is not encrypted") as string,
        remedy: expect.stringContaining("server_tls_sslmode") as string,
      },
    ]);
  // A container's published port looks as a pooler on this machine does.
  const near = { ...bare, isOpen: false, isNear: true };
  expect(judgeEncryption([near])).toEqual([
    {
      level: "warning",
      what: expect.stringContaining("DATABASE_URL goes to this machine") as string,
      remedy: expect.stringMatching(/container's published port.*tunnel.*server_tls_sslmode/) as string,
    },
  ]);
  expect(judgeEncryption([{ ...near, remote: false }])).toMatchObject([{ level: "ok" }]);
  const direct = { ...bare, setting: "LISTEN_DATABASE_URL" };
  const levels = (...reached: Reached[]) => judgeEncryption(reached).map(({ level }) => level);
  expect(levels({ ...bare, isOpen: false }, direct)).toEqual(["problem", "problem"]);
  expect(levels(bare, direct)).toEqual(["problem"]);
  expect(levels({ ...bare, encrypted: true }, { ...direct, isOpen: false, encrypted: true })).toEqual([
    "problem",
  ]);
  expect(levels({ ...bare, isOpen: false, remote: false })).toEqual(["ok"]);
  expect(levels({ ...bare, isOpen: false, encrypted: true })).toEqual(["ok"]);
});
