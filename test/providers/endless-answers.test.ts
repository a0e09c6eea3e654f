import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { JsonClient } from "../../src/providers/http.ts";

const CONTEXT = {
  address: "http://provider/v1",
  model: "m",
  settings: { address: "OPENAI_BASE_URL", key: "OPENAI_API_KEY", model: "OPENAI_EMBED_MODEL" },
  secrets: [],
};

/** Answers every request with that status and `chunk`, once or without end. @returns a client, and how much was sent. */
async function answering(status: number, chunk: Buffer, isEndless: boolean) {
  let sent = 0;
  const server = createServer((request, response) => {
    request.resume();
    response.on("error", () => undefined);
    response.writeHead(status, { "content-type": "application/json" });
    const more = (): void => {
      do sent += chunk.length;
      while (response.write(chunk) && isEndless && !response.destroyed);
      if (!isEndless) response.end();
    };
    response.on("drain", more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new JsonClient({ baseUrl: `http://127.0.0.1:${port}`, timeoutMs: 60_000 }, {});
  onTestFinished(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  const post = (body = {}) => client.post("/", body, ["one text"], CONTEXT, new AbortController().signal);
  return { post, sent: () => sent };
}

test("Of a refusal without end no more than its beginning is read", async () => {
  const { post, sent } = await answering(500, Buffer.alloc(16_384, "x"), true);
  await expect(post()).rejects.toThrow("answered 500");
  // What is on its way in sockets' buffers comes on top of 64 kB.
  expect(sent()).toBeLessThan(16 * 1024 * 1024);
});

test("A refusal that is packed into little and unpacks to much is not unpacked", async () => {
  const { post } = await answering(500, gzipSync(Buffer.alloc(100 * 1024 * 1024, "x")), false);
  await expect(post()).rejects.toThrow("answered 500");
});

test("A good answer that is larger than vectors for its texts can be is refused before it is read whole", async () => {
  const { post, sent } = await answering(200, Buffer.alloc(65_536, " "), true);
  await expect(post()).rejects.toThrow("more than 1 MB, which is no answer to 1 text");
  expect(sent()).toBeLessThan(32 * 1024 * 1024);
});

test("A refusal's reason within its beginning is still reported", async () => {
  const body = JSON.stringify({ error: { message: "the model is loading" } });
  const { post } = await answering(503, Buffer.from(body), false);
  await expect(post()).rejects.toThrow("the model is loading");
});

test("The reason of a refusal that repeats the request, however long, is reported", async () => {
  const input = 'a "quoted" word '.repeat(20_000);
  const repeated = JSON.stringify({ error: { input, message: "the text is too long" } });
  const { post } = await answering(400, Buffer.from(repeated), false);
  await expect(post({ input })).rejects.toThrow("is too long");
});
