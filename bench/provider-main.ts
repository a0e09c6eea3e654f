/**
 * A provider that costs next to nothing, as a process of its own:
 *   tsx bench/provider-main.ts '{"dimensions": 1536, "latencyMs": 0}'
 * prints its URL, and on every line of stdin what it has answered since the last one.
 * Its vectors are made once and repeated: an answer is put together from ready pieces of base64 or JSON.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { randomVector } from "./random-vector.ts";

const VECTORS = 1024;

const { dimensions, latencyMs } = JSON.parse(process.argv[2] ?? "{}") as {
  dimensions: number;
  latencyMs: number;
};
const base64 = Array.from({ length: VECTORS }, (_, seed) => `"${toBase64(randomVector(dimensions, seed))}"`);
/** With nine decimals, as the large providers print them. */
const json = Array.from(
  { length: VECTORS },
  (_, seed) => `[${Array.from(randomVector(dimensions, seed), (float) => float.toFixed(9)).join(",")}]`,
);

let requests = 0;
let texts = 0;
/** From the first request after the probe to the last answer, in ms. */
let first = 0;
let last = 0;
let next = 0;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { input, encoding_format } = JSON.parse(Buffer.concat(chunks).toString()) as {
      input: string | string[];
      encoding_format?: string;
    };
    const count = typeof input === "string" ? 1 : input.length;
    requests++;
    texts += count;
    if ((count > 1 || requests === 2) && first === 0) first = performance.now();
    const pieces = encoding_format === "base64" ? base64 : json;
    void (latencyMs > 0 ? delay(latencyMs) : Promise.resolve()).then(() => {
      const data = Array.from({ length: count }, (_, index) => {
        next = (next + 1) % VECTORS;
        return `{"object":"embedding","index":${index},"embedding":${pieces[next] ?? ""}}`;
      });
      last = performance.now();
      response.setHeader("content-type", "application/json");
      response.end(
        `{"object":"list","data":[${data.join(",")}],"model":"bench","usage":{"prompt_tokens":${count * 150},"total_tokens":${count * 150}}}`,
      );
    });
  });
});

server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ requests, texts, windowMs: last - first }));
  requests = texts = first = last = 0;
}
process.exit(0);

function toBase64(floats: Float32Array<ArrayBuffer>): string {
  return Buffer.from(floats.buffer).toString("base64");
}
