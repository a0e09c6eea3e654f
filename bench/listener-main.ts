/**
 * Runs a listener in a process of its own, until its stdin ends; with `--bare`, the simplest program that does the same
 * work. For each line on stdin it prints its memory.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createListener } from "../src/listener/listener.ts";
import { readConfig } from "../src/config.ts";
import { listenBarely } from "./subjects/listen-barely.ts";

const config = readConfig(JSON.parse(process.argv[2] ?? "{}") as Record<string, string>);
const { DATABASE_URL = "", OPENAI_BASE_URL } = config;
const stop =
  process.argv[3] === "--bare" ? await listenBarely(DATABASE_URL, OPENAI_BASE_URL) : await listen();
console.log("ready");
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.stdin.on("data", () => {
  collect();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const [residentMegabytes, heapMegabytes, bufferMegabytes] = [rss, heapUsed, arrayBuffers].map(
    (bytes) => bytes / 2 ** 20,
  );
  console.log(JSON.stringify({ residentMegabytes, heapMegabytes, bufferMegabytes }));
});
process.stdin.once("end", () => void stop().then(() => process.exit(0)));

async function listen(): Promise<() => Promise<unknown>> {
  const listener = createListener({ ...config, DATABASE_URL });
  const listening = new Promise<void>((resolve) => {
    listener.events.once("listening", () => {
      resolve();
    });
  });
  await listener.start();
  await listening;
  return () => listener.stop();
}
