/**
 * Draws the picture of the page in docs/, from a real database at work:
 *   TEST_DATABASE_URL=postgres://… tsx test/support/screenshot-main.ts docs/page.png [dark|light] [seconds]
 * TEST_DATABASE_URL names a server whose user may create databases; Chromium is Debian's.
 */
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { pino } from "pino";
import { chromium } from "playwright-core";
import { readConfig } from "../../src/config.ts";
import { syntheticPatients } from "../../src/demo/synthetic-patients.ts";
import { startHttp } from "../../src/http/server.ts";
import { createListener } from "../../src/listener/listener.ts";
import { migrate } from "../../src/migrate.ts";
import { startProviderServer } from "./provider-server.ts";

const [file = "page.png", scheme = "light", seconds = "150", width = "1080"] = process.argv.slice(2);
const server = process.env["TEST_DATABASE_URL"];
if (server === undefined) throw new Error("set TEST_DATABASE_URL");
/** The database that is made for the picture. */
const NAME = `autoembed_picture_${process.pid}`;
const url = new URL(server);
url.pathname = `/${NAME}`;
const admin = new pg.Client(server);
await admin.connect();
await admin.query(`create database ${NAME}`);
await migrate({ databaseUrl: url.href, dimensions: 256 });

const provider = await startProviderServer({ dimensions: 256, latencyMs: 150 });
provider.poison = (text) => text.includes("T-score") && /^(2[0-3])-year/.test(text);
const config = {
  ...readConfig({
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: provider.openAiUrl,
    OPENAI_API_KEY: "none",
    OPENAI_EMBED_MODEL: "text-embedding-3-small",
    EMBED_BATCH_SIZE: "16",
    EMBED_MAX_CONCURRENCY: "2",
    EMBED_PRICE_PER_MILLION_TOKENS: "0.02",
  }),
  DATABASE_URL: url.href,
  EMBED_HTTP_PORT: 0,
};
const client = new pg.Client(url.href);
await client.connect();
await client.query("create table tickets (id bigint primary key, body text, embedding vector(256))");
await client.query("select autoembed.watch('tickets', 'body')");
const listener = createListener(config);
await listener.start();
const http = await startHttp(config, listener, pino({ level: "silent" }));

const patients = syntheticPatients(40_000, 7);
const end = performance.now() + 1000 * Number(seconds);
for (let turn = 0, taken = 0; performance.now() < end; turn++) {
  const amount = turn % 9 === 2 ? 1_500 : 20 + ((turn * 37) % 60);
  const rows = patients.slice(taken, (taken += amount));
  await client.query("insert into patient_embeddings select * from unnest($1::bigint[], $2::text[])", [
    rows.map((row) => row.patient_id),
    rows.map((row) => row.context_text),
  ]);
  await client.query(
    "insert into tickets select $1 * 10 + i, 'ticket ' || $1 * 10 + i from generate_series(1, 6) i",
    [turn],
  );
  await delay(2_500);
}
await client.query("update autoembed.embedding_source set paused = true where name = 'tickets'");
// A listener that was not woken polls.
await delay(6_000);
await client.query(`
  insert into autoembed.embedding_usage (source_id, day, embedded, cached, failed, requests, tokens)
  select id, (now() at time zone 'utc')::date - n, 2000 + n * 1900 % 3100, n * 300 % 800, n % 3, 90, 90000 + n * 70000 % 130000
  from autoembed.embedding_source, generate_series(1, 6) n where name = 'patient_embeddings'`);
await client.query(`
  insert into autoembed.embedding_spending (source_id, day, model, purpose, requests, tokens, cost)
  select source_id, day, 'text-embedding-3-small', 'change', requests, tokens, tokens * 0.02 / 1e6
  from autoembed.embedding_usage where day < (now() at time zone 'utc')::date`);
await client.query("insert into tickets select -i, 'ticket ' || -i from generate_series(1, 18) i");
await delay(4_000);

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({
  viewport: { width: Number(width), height: 900 },
  colorScheme: scheme === "dark" ? "dark" : "light",
});
await page.goto(http.url);
await page.getByRole("searchbox").fill("asthma, worse at night");
await page.getByRole("button", { name: "Search" }).click();
await page.screenshot({ path: file, fullPage: true });

await browser.close();
await http.close();
await listener.stop();
await provider.close();
await client.end();
await delay(500);
await admin.query(`drop database ${NAME}`);
await admin.end();
