import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { describeNative } from "../support/database.ts";
import { startHalfOpenProxy, through } from "../support/half-open-proxy.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { startProcess } from "../support/start-process.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A server that ends every connection at once, and counts them. */
async function startRefusing() {
  let refused = 0;
  const server = createServer((socket) => {
    refused++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, refused: () => refused };
}

describeNative("An outage of the database", "needs a server that outlives it", () => {
  test("It is logged once, and so is its end, however often and by how many sources the database is tried", async () => {
    const around = await prepare({ EMBED_POLL_MS: "100" });
    await around.client.query(
      `create table letters (id int primary key, body text, embedding vector(${DIMENSIONS})); select autoembed.watch('letters', 'body')`,
    );
    const { hostname, port } = new URL(around.database.url);
    const proxy = await startHalfOpenProxy(around.database.url);
    onTestFinished(() => proxy.close());
    const listener = await startProcess(around, { DATABASE_URL: through(proxy, around.database.url) });
    await around.client.query(
      "insert into letters values (1, 'both work'); insert into patient_embeddings values (1, 'both work')",
    );
    const made =
      "select from letters a, patient_embeddings b where a.embedding is not null and b.embedding is not null";
    await expect.poll(async () => (await around.client.query(made)).rowCount, { timeout: 60_000 }).toBe(1);
    const away = await startRefusing();
    proxy.leadTo({ host: "127.0.0.1", port: away.port });
    await expect.poll(away.refused, { timeout: 60_000 }).toBeGreaterThan(30);
    proxy.leadTo({ host: hostname, port: Number(port) });
    await expect.poll(listener.stderr, { timeout: 60_000 }).toContain("works again");
    await expect.poll(listener.stderr, { timeout: 60_000 }).toContain("receives notifications again");
    const logged = (words: string): number => listener.stderr().split(words).length - 1;
    expect(logged("cannot embed"), listener.stderr()).toBe(1);
    expect(logged("works again"), listener.stderr()).toBe(1);
    expect(logged("lost the connection that receives notifications"), listener.stderr()).toBe(1);
  });
});
