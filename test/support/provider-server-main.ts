/**
 * The scripted provider in its own process:
 *   tsx test/support/provider-server-main.ts '{"dimensions": 1536, "latencyMs": 150, "port": 8123}'
 * prints its URL, and then reads one JSON document per line from stdin: {"always": 503}, {"always": null},
 * {"next": "hang", "times": 3}, {"latencyMs": 20}, {"rateLimit": {...}}, {"counts": true}.
 */
import { createInterface } from "node:readline";
import type { Fault } from "./provider-faults.ts";
import { startProviderServer, type ProviderServerOptions } from "./provider-server.ts";
import type { RateLimit } from "./rate-limit.ts";

interface Command {
  readonly always?: Fault | null;
  readonly next?: Fault;
  readonly times?: number;
  readonly latencyMs?: number;
  readonly rateLimit?: RateLimit | null;
  readonly counts?: boolean;
}

const options = JSON.parse(process.argv[2] ?? '{"dimensions": 1536}') as ProviderServerOptions;
const server = await startProviderServer(options);
console.log(server.url);

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  if (command.always !== undefined) server.always(command.always ?? undefined);
  if (command.next !== undefined) server.next(command.next, command.times);
  if (command.latencyMs !== undefined) server.latencyMs = command.latencyMs;
  if (command.rateLimit !== undefined) server.rateLimit = command.rateLimit ?? undefined;
  if (command.counts === true) console.log(JSON.stringify(server.counts));
}
await server.close();
