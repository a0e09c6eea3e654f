/**
 * A stand-in provider that costs almost no time, in a process of its own:
 *   tsx bench/provider-main.ts '{"dimensions": 1536, "latencyMs": 0}'
 * It prints its URL, and for every line on stdin the counts of what it has answered since the previous line.
 * Its vectors are made once and repeated: an answer is put together from prepared pieces of base64 or JSON.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { RateLimiter, type RateLimit } from "../test/support/rate-limit.ts";
import { randomVector } from "./random-vector.ts";

const { dimensions, latencyMs, vectors, limit } = JSON.parse(process.argv[2] ?? "{}") as {
  dimensions: number;
  latencyMs: number;
  vectors: number;
  limit?: RateLimit;
};
const base64 = Array.from({ length: vectors }, (_, seed) =>
  Buffer.from(`"${toBase64(randomVector(dimensions, seed))}"}`),
);
/** With nine decimals, like the large providers. */
const json = Array.from({ length: vectors }, (_, seed) =>
  Buffer.from(`[${Array.from(randomVector(dimensions, seed), (float) => float.toFixed(9)).join(",")}]}`),
);
const before = Array.from({ length: 2048 }, (_, index) =>
  Buffer.from(`${index > 0 ? "," : ""}{"object":"embedding","index":${index},"embedding":`),
);

let requests = 0;
let refused = 0;
let texts = 0;
/** Begins with the first request after the probe. */
let limiter: RateLimiter | undefined;
/** From the first request after the probe to the last answer, in ms. */
let first = 0;
let last = 0;
let next = 0;

const server = createServer((request, response) => {
  const arrived = performance.now();
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { input, encoding_format } = JSON.parse(Buffer.concat(chunks).toString()) as {
      input: string | string[];
      encoding_format?: string;
    };
    const count = typeof input === "string" ? 1 : input.length;
    if (count > 1 && limit !== undefined) limiter ??= new RateLimiter(limit);
    const verdict = limiter?.take();
    if (verdict?.allowed === false) {
      refused++;
      response.writeHead(429, { "content-type": "application/json", ...verdict.headers });
      response.end('{"error":{"message":"Rate limit reached for requests","type":"rate_limit_exceeded"}}');
      return;
    }
    requests++;
    texts += count;
    if ((count > 1 || requests === 2) && first === 0) first = performance.now();
    const body = answer(count, encoding_format === "base64" ? base64 : json);
    // To put the answer together is part of the time that a provider takes. A timer may fire early by part of a millisecond.
    const left = Math.ceil(latencyMs - (performance.now() - arrived));
    void (left > 0 ? delay(left) : Promise.resolve()).then(() => {
      last = performance.now();
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      response.end(body);
    });
  });
});

server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ requests, refused, texts, windowMs: last - first }));
  requests = refused = texts = first = last = 0;
}
process.exit(0);

function answer(count: number, pieces: typeof base64): Buffer {
  const parts = [Buffer.from('{"object":"list","data":[')];
  for (let index = 0; index < count; index++) {
    next = (next + 1) % vectors;
    parts.push(before[index] ?? Buffer.of(), pieces[next] ?? Buffer.of());
  }
  const tokens = count * 150;
  const usage = `{"prompt_tokens":${tokens},"total_tokens":${tokens}}`;
  return Buffer.concat([...parts, Buffer.from(`],"model":"bench","usage":${usage}}`)]);
}

function toBase64(floats: Float32Array<ArrayBuffer>): string {
  return Buffer.from(floats.buffer).toString("base64");
}
