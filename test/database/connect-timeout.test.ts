import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { clientOf } from "../../src/database/client-of.ts";
import { connect } from "../../src/database/connect.ts";
import { findHost } from "../../src/database/several-hosts.ts";

/** The address of a server that takes connections and never answers. */
async function silentServer(hosts = 1): Promise<string> {
  const server = createServer((client) => {
    client.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return `postgres://u@${Array.from({ length: hosts }, () => host).join(",")}/d`;
}

test.each([
  ["1", undefined],
  ["0", undefined],
  ["-1", undefined],
  ["10s", "connect_timeout should be a whole number of seconds, or 0 for no limit"],
])("connect_timeout=%s is taken, or refused with what it should be", (seconds, problem) => {
  const read = () => readConfig({ DATABASE_URL: `postgres://u:s3cret@h/d?connect_timeout=${seconds}` });
  if (problem === undefined) expect(read).not.toThrow();
  else expect(read).toThrow(problem);
});

test("connect_timeout of the address goes before our own time, also where it is none", async () => {
  const url = await silentServer();
  const opened = async (seconds: number, ours: number): Promise<string> => {
    const databaseUrl = `${url}?connect_timeout=${seconds}`;
    const client = new (clientOf(databaseUrl))({
      connectionString: databaseUrl,
      connectionTimeoutMillis: ours,
    });
    client.on("error", () => undefined);
    onTestFinished(() => void client.end().catch(() => undefined));
    const waits = new Promise<string>((resolve) => setTimeout(resolve, 3_000, "it waits"));
    return await Promise.race([client.connect().then(String, (error: unknown) => String(error)), waits]);
  };
  expect(await Promise.all([opened(1, 60_000), opened(0, 200), opened(20, 200)])).toEqual([
    "Error: timeout expired",
    "it waits",
    "it waits",
  ]);
});

test.each([1, 2])("connect_timeout of an address with %i hosts holds for a pool too", async (hosts) => {
  const databaseUrl = `${await silentServer(hosts)}?connect_timeout=1`;
  const db = connect({ databaseUrl, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const started = performance.now();
  await expect(sql`select 1`.execute(db)).rejects.toThrow("timeout expired");
  expect(performance.now() - started).toBeLessThan(4_000 * hosts);
  if (hosts > 1) await expect(findHost(databaseUrl)).rejects.toThrow("timeout expired");
});
