import { expect, onTestFinished, test } from "vitest";
import { startHalfOpenProxy, through } from "../support/half-open-proxy.ts";
import { prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

/** Prometheus' own, unless it is set. */
const SCRAPE_TIMEOUT_MS = 10_000;

test("Metrics of a database that went silent are there before Prometheus gives up", async () => {
  const { listen, database } = await prepare();
  const listener = await listen();
  const proxy = await startHalfOpenProxy(database.url);
  onTestFinished(() => proxy.close());
  const http = await serve(listener, through(proxy, database.url));
  const read = async () => {
    const signal = AbortSignal.timeout(SCRAPE_TIMEOUT_MS);
    return await (await fetch(new URL("/metrics", http.url), { signal })).text();
  };
  await expect.poll(read, { timeout: 20_000 }).toContain("pg_autoembed_up 1");
  proxy.freeze();
  await expect.poll(read, { timeout: 20_000 }).toContain("pg_autoembed_up 0");
  expect(await read()).toContain("pg_autoembed_listening 1");
});
