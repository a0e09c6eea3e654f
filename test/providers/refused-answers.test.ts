import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openProviderWithoutProbe } from "../../src/providers/provider-stack.ts";

/** @param before what the server sends before a right answer @param header one of that answer */
async function embedding(before: string, header = "x: y") {
  const body = JSON.stringify({ data: [{ index: 0, embedding: [1, 2, 3, 4] }] });
  const answer = `${before}HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${header}\r\n\r\n${body}`;
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(answer));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
  });
  await expect.poll(() => server.listening).toBe(true);
  const provider = openProviderWithoutProbe({
    backend: "llm_api",
    model: "m",
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    timeoutMs: 20_000,
    dimensions: 4,
  });
  onTestFinished(() => provider.close());
  return await provider.embed(["asthma"], "query", new AbortController().signal);
}

test("An answer may have as many headers as proxies add; of more, the error says so", async () => {
  const { vectors } = await embedding("", `x-trace: ${"a".repeat(40_000)}`);
  expect([...vectors.at(0)]).toEqual([1, 2, 3, 4]);
  await expect(embedding("", `x-trace: ${"a".repeat(80_000)}`)).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("its headers are longer than 64 kB") as string,
  });
});

test("An answer that begins with an unasked 100 Continue is refused with that reason", async () => {
  await expect(embedding("HTTP/1.1 100 Continue\r\n\r\n")).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("it sent 100 Continue, which was not asked for") as string,
  });
});
