/** A listener as a process of its own, until its stdin ends; `--bare` the least that could do its work. */
import { createListener } from "../src/listener/listener.ts";
import { readConfig } from "../src/config.ts";
import { listenBarely } from "./subjects/listen-barely.ts";

const config = readConfig(JSON.parse(process.argv[2] ?? "{}") as Record<string, string>);
const { DATABASE_URL = "", OPENAI_BASE_URL } = config;
const stop =
  process.argv[3] === "--bare" ? await listenBarely(DATABASE_URL, OPENAI_BASE_URL) : await listen();
console.log("ready");
process.stdin.resume().once("end", () => void stop().then(() => process.exit(0)));

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
