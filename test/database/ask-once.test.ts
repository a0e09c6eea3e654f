import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { askOnce } from "../../src/database/ask-once.ts";
import { checkServer } from "../../src/database/check-server.ts";
import { connectionLimit } from "../../src/database/connection-limit.ts";
import { stateOf } from "../../src/database/require-migrated.ts";
import { findHost } from "../../src/database/several-hosts.ts";
import { examineEncryption } from "../../src/doctor/examine-encryption.ts";
import { frame, int32 } from "../../src/embedded/frames.ts";

/** The address of a server that lets everybody in, and ends each connection at the first question. */
async function leavingServer(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write(Buffer.concat([frame("R", int32(0)), frame("Z", Buffer.from("I"))]));
      socket.once("data", () => socket.destroy());
    });
  });
  return `postgres://u@${await hostOf(server)}/d`;
}

/** A server that wants a client's certificate. By TLS 1.3 it refuses a client when that takes the handshake for done. */
async function distrustfulServer(): Promise<string> {
  const file = (name: string): Buffer => readFileSync(new URL(`../support/tls/${name}`, import.meta.url));
  const secureContext = createSecureContext({ key: file("key.pem"), cert: file("certificate.pem") });
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write("S");
      const secured = new TLSSocket(socket, {
        isServer: true,
        secureContext,
        requestCert: true,
        rejectUnauthorized: true,
      });
      secured.on("error", () => socket.end());
    });
  });
  return await hostOf(server);
}

async function hostOf(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("A server that ends the connection while it is asked is reported by each look at it, and ends no process", async () => {
  const url = await leavingServer();
  const reported = { message: expect.stringContaining("Cannot use the database of DATABASE_URL") as string };
  await expect(checkServer(url)).rejects.toMatchObject(reported);
  await expect(stateOf(url)).rejects.toMatchObject(reported);
  await expect(connectionLimit(url)).rejects.toThrow("Connection terminated unexpectedly");
  expect(await examineEncryption({ DATABASE_URL: url })).toEqual([]);
});

test("A server that refuses the client's certificate after the handshake is reported, and waited for no longer", async () => {
  const host = await distrustfulServer();
  const databaseUrl = `postgres://u@${host}/d?sslmode=no-verify`;
  // pg's connection stays open in most of the cases, not in all.
  for (let time = 0; time < 8; time++) {
    await expect(askOnce(databaseUrl, () => Promise.resolve())).rejects.toThrow(/alert/);
    await expect(findHost(databaseUrl.replace(host, `${host},${host}`))).rejects.toThrow(/alert/);
  }
});
