import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { migrate } from "../../src/migrate.ts";
import { describeNative } from "../support/database.ts";
import { freePort } from "../support/free-port.ts";
import { startHalfOpenProxy } from "../support/half-open-proxy.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 60_000 });

const url = (DATABASE_URL: string): string | undefined => readConfig({ DATABASE_URL }).DATABASE_URL;

/** The address with these ports of this machine in place of its one host. */
function listing(databaseUrl: string, ports: readonly number[], parameters = ""): string {
  const { username, password, pathname } = new URL(databaseUrl);
  const user = password === "" ? username : `${username}:${password}`;
  return `postgres://${user}@${ports.map((port) => `127.0.0.1:${port}`).join(",")}${pathname}${parameters}`;
}

test.each([
  "postgres://u:p@a:5432,b:5433/d?target_session_attrs=read-write",
  "postgresql://a,b,c/d",
  "postgres://u@[::1]:5432,[::2]:5432/d?target_session_attrs=prefer-standby",
])("the list of hosts %s is taken", (given) => {
  expect(url(given)).toBe(given);
});

test.each([
  ["postgres://u:s3cret@a:5432,/d", "a host on each side of a comma"],
  ["postgres://u:s3cret@,b/d", "a host on each side of a comma"],
  ["postgres://u:s3cret@a,b:x/d", "expected a URL"],
  ["postgres://u%E4:s3cret@h/d", "write % itself as %25"],
  ["postgres://u:s3cret%E4@a,b/d", "write % itself as %25"],
])("%s is refused with what to do, and without its password", (given, expected) => {
  expect(() => url(given)).toThrow(expected);
  expect(() => url(given)).not.toThrow("s3cret");
});

describeNative("A list of hosts", "needs several sessions", () => {
  test("leads a listener to the first that answers, and to the next when that one is gone", async () => {
    const { client, database, listen } = await prepare();
    const [first, second] = [await startHalfOpenProxy(database.url), await startHalfOpenProxy(database.url)];
    onTestFinished(() => second.close());
    const several = listing(database.url, [await freePort(), first.port, second.port]);
    await migrate({ databaseUrl: several, dimensions: DIMENSIONS });
    await listen({ DATABASE_URL: several });
    await client.query("insert into patient_embeddings values (1, 'through the second of three')");
    await expect.poll(() => wrongRows(client)).toEqual([]);
    expect(first.connections).toBeGreaterThan(0);
    expect(second.connections).toBe(0);
    await first.close();
    await client.query("insert into patient_embeddings values (2, 'through the third')");
    await expect.poll(() => wrongRows(client), { timeout: 30_000 }).toEqual([]);
    await expect.poll(() => second.connections, { timeout: 30_000 }).toBeGreaterThan(2);
  });

  test("of which none is what target_session_attrs wants is refused; where one is only preferred, another will do", async () => {
    const { database } = await prepare();
    const ports = [Number(new URL(database.url).port), Number(new URL(database.url).port)];
    const ask = async (wanted: string) => {
      const db = connect({
        databaseUrl: listing(database.url, ports, `?target_session_attrs=${wanted}`),
        maxConnections: 1,
        ownSessions: true,
      });
      onTestFinished(() => db.destroy());
      return await db.selectFrom("autoembed.embedding_source").select("id").execute();
    };
    await expect(ask("standby")).rejects.toThrow("None of the hosts of DATABASE_URL");
    expect(await ask("primary")).toHaveLength(1);
    expect(await ask("prefer-standby")).toHaveLength(1);
  });
});
