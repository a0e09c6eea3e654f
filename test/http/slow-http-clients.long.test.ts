import { once } from "node:events";
import { connect as connectTo, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { startHalfOpenProxy, through } from "../support/half-open-proxy.ts";
import { prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

const CLIENTS = {
  "says nothing": "",
  "never ends its headers": "GET / HTTP/1.1\r\nhost: here\r\n",
  "never sends what it posts": "POST /retry HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\n",
  "reads nothing of what it asked for": "GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n".repeat(200),
} as const;

test("Clients that send nothing or read nothing delay neither /healthz nor the server's close", async () => {
  const { database, listen } = await prepare();
  const serving = await serve(await listen(), database.url);
  for (const said of Object.values(CLIENTS)) await linger(new URL(serving.url), said);
  const asked = performance.now();
  const healthz = await fetch(new URL("/healthz", serving.url), { signal: AbortSignal.timeout(5_000) });
  expect(await healthz.text()).toBe("ok\n");
  expect(performance.now() - asked).toBeLessThan(2_000);
  const closing = performance.now();
  await serving.close();
  expect(performance.now() - closing).toBeLessThan(3_000);
});

describeNative("A dead database delays no shutdown", "needs a connection that dies silently", () => {
  test("A shutdown ends in time although a browser waits for the page", { timeout: 180_000 }, async () => {
    const around = await prepare({ EMBED_SHUTDOWN_MS: "500" });
    const proxy = await startHalfOpenProxy(around.database.url);
    onTestFinished(() => proxy.close());
    const listener = runCommand(["start"], {
      ...around.environment,
      DATABASE_URL: through(proxy, around.database.url),
      EMBED_LOG_LEVEL: "info",
      EMBED_HTTP_PORT: "0",
    });
    const address = /"url":"([^"]+)"/;
    await expect.poll(() => listener.stderr(), { timeout: 30_000 }).toMatch(address);
    const url = new URL(address.exec(listener.stderr())?.[1] ?? "");
    proxy.freeze();
    await linger(url, "GET / HTTP/1.1\r\nhost: here\r\n\r\n");
    await expect
      .poll(() => fetch(new URL("/readyz", url)).then(({ status }) => status), { timeout: 10_000 })
      .toBe(503);
    listener.process.kill("SIGTERM");
    const asked = performance.now();
    expect(await listener.exited).toBe(0);
    expect(performance.now() - asked).toBeLessThan(10_000);
  });
});

/** A connection that has sent `said` and reads nothing; it is closed when the test ends. */
async function linger(url: URL, said: string): Promise<Socket> {
  const socket = connectTo(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  socket.pause();
  if (said !== "") socket.write(said);
  return socket;
}
