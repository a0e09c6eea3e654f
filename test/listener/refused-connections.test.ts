import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connectPatiently } from "../../src/database/connect-patiently.ts";

/** The answer of a server without a free connection, as the protocol has it. */
function refusal(): Buffer {
  const fields = Buffer.from("SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0");
  const head = Buffer.alloc(5, "E");
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

test("Several callers that get no connection pause between their attempts, and the owner is told", async () => {
  let attempts = 0;
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      attempts += 1;
      socket.end(refusal());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const pool = new pg.Pool({ host: "127.0.0.1", port, user: "anyone", database: "any", max: 4 });
  onTestFinished(() => pool.end());
  const told: boolean[] = [];
  const { connect: next } = connectPatiently(pool, {
    patienceMs: 1_500,
    onStarved: (isStarved) => told.push(isStarved),
  });
  const calls = await Promise.allSettled([next(), next(), next()]);
  expect(calls.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  // Each pauses 25 ms at least, and longer each time: hundreds without pauses.
  expect(attempts).toBeGreaterThan(3);
  expect(attempts).toBeLessThan(40);
  expect(new Set(told)).toEqual(new Set([true]));
});
