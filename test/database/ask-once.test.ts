import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { checkServer } from "../../src/database/check-server.ts";
import { connectionLimit } from "../../src/database/connection-limit.ts";
import { stateOf } from "../../src/database/require-migrated.ts";
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
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `postgres://u@127.0.0.1:${(server.address() as AddressInfo).port}/d`;
}

test("A server that ends the connection while it is asked is reported by each look at it, and ends no process", async () => {
  const url = await leavingServer();
  const reported = { message: expect.stringContaining("Cannot use the database of DATABASE_URL") as string };
  await expect(checkServer(url)).rejects.toMatchObject(reported);
  await expect(stateOf(url)).rejects.toMatchObject(reported);
  await expect(connectionLimit(url)).rejects.toThrow("Connection terminated unexpectedly");
  expect(await examineEncryption({ DATABASE_URL: url })).toEqual([]);
});
