/**
 * A stand-in with a batch API, in a process of its own:
 *   tsx bench/batch-provider-main.ts '{"dimensions": 8, "latencyMs": 50}'
 * It prints its URL. Each line on stdin is JSON of what it is to do from then on; it answers with what has happened so far.
 */
import { createInterface } from "node:readline";
import { BatchServer } from "../test/support/batch-server.ts";
import type { BatchCounts, BatchOrders } from "./start-batch-provider.ts";

const { dimensions, latencyMs } = JSON.parse(process.argv[2] ?? "{}") as {
  dimensions: number;
  latencyMs: number;
};
const server = await BatchServer.start(dimensions);
server.requests.latencyMs = latencyMs;
console.log(server.url);
for await (const line of createInterface({ input: process.stdin })) {
  Object.assign(server, JSON.parse(line) as BatchOrders);
  const counts: BatchCounts = {
    uploads: server.counts.uploads,
    batches: server.batches.length,
    files: server.files.size,
    servedBytes: server.counts.servedBytes,
    batched: server.counts.batched,
    live: server.counts.live,
    lost: server.lost.size,
    paidTwice: server.paidTwice,
  };
  console.log(JSON.stringify(counts));
}
process.exit(0);
