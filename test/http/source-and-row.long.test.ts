import { expect, test } from "vitest";
import { prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

async function prepared(settings: Record<string, string> = {}) {
  const { client, provider, listen, database } = await prepare();
  const listener = await listen();
  const http = await serve(listener, database.url, settings);
  const get = async (path: string) => await (await fetch(new URL(path, http.url))).text();
  const row = async (key: string, more: Record<string, string> = {}) =>
    plain(await (await http.post("/row", { source: "patient_embeddings", key, ...more })).text());
  return { client, provider, listener, http, get, row };
}

/** The words of a page. */
function plain(page: string): string {
  return page.replace(/<(style|script)>[^]*?<\/\1>|<[^>]+>/g, " ").replace(/\s+/g, " ");
}

test("A source's page shows its settings, its failures and its latest rows, and its buttons lead back to it", async () => {
  const { client, provider, listener, http, get } = await prepared({
    OPENAI_BASE_URL: "https://vectors.example/v1",
    OPENAI_EMBED_MODEL: "text-embedding-3-small",
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_API_KEY: "a-secret-key",
  });
  provider.poison = (text) => text === "unspeakable";
  await client.query("insert into patient_embeddings values (1, 'asthma'), (2, 'unspeakable')");
  await listener.whenDrained();
  const address = "/source?name=patient_embeddings";
  expect(await get("/")).toContain(`href="${address}"`);

  await expect.poll(async () => plain(await get(address))).toContain("1 of 2, 50.0 %");
  const page = plain(await get(address));
  expect(page).toContain("Table public.patient_embeddings Key patient_id Text context_text");
  expect(page).toContain("Vectors public.patient_embeddings.embedding vector(8)");
  expect(page).toContain(
    "Model text-embedding-3-small , llm_api Texts go to https://vectors.example/v1/embeddings",
  );
  expect(page).toContain("Key from OPENAI_API_KEY");
  expect(page).toMatch(/Failed rows .* 1 answered 400/);
  expect(page).toMatch(/Embedded last 1 \d+ s ago/);
  expect(page).not.toMatch(/a-secret-key|unspeakable|asthma/);

  const form = { source: "patient_embeddings", from: "source" };
  expect((await http.post("/pause", form)).headers.get("location")).toBe(`${address}&paused`);
  expect((await http.post("/retry", form)).headers.get("location")).toBe(`${address}&retried=1`);
  expect((await fetch(new URL("/source?name=nothing", http.url))).status).toBe(404);
});

test("A row's page shows its state, and its text only when that is asked for", async () => {
  const { client, provider, listener, http, row } = await prepared();
  provider.poison = (text) => text === "unspeakable";
  await client.query("insert into patient_embeddings values (1, 'asthma'), (2, 'unspeakable'), (3, ' ')");
  await listener.whenDrained();

  expect(await row("1")).toMatch(
    /It has the vector of its text\..*Vector yes Embedded \d+ s ago By .*@8.*Text 6 characters/,
  );
  expect(await row("1")).not.toContain("asthma");
  expect(await row("1", { text: "on" })).toContain("asthma");
  expect(await row("2")).toMatch(
    /It failed.*Reason http\S+ answered 400.*Attempts 1 .*Failed \d+ s ago Vector none/,
  );
  expect(await row("3")).toContain("It has no text, and needs no vector.");
  // As the row has it, so that the page's button finds it in the queue.
  const page = await http.post("/row", { source: "patient_embeddings", key: "02" });
  expect(await page.text()).not.toContain('02"');
  for (const key of ["4", "no number", "99999999999999999999", "1 or true"])
    expect(await row(key)).toContain("The table has no row with this key.");

  await listener.stop();
  await client.query("update patient_embeddings set context_text = 'a longer text' where patient_id = 1");
  expect(await row("1")).toMatch(
    /It waits for a listener\..*Attempts 0 Changed \d+ s ago .*Text 13 characters/,
  );
  expect(http.logged.join()).not.toMatch(/asthma|unspeakable|longer|"key"/);
});

test("A row's page says of a vector that it is of an old text, and of a text that cannot be computed", async () => {
  const { client, listener, http, row } = await prepared();
  await client.query("insert into patient_embeddings values (1, 'asthma'), (2, '0')");
  await listener.whenDrained();
  await client.query(
    "alter table patient_embeddings disable trigger user; update patient_embeddings set context_text = 'migraine' where patient_id = 1; alter table patient_embeddings enable trigger user",
  );
  expect(await row("1")).toContain("Its vector is of an old text, and nothing is queued");

  await client.query(`drop table if exists ratios; create table ratios (a int, b int, embedding vector(8), primary key (a, b));
    select autoembed.watch('ratios', '(a / b)::text'); insert into ratios values (4, 2)`);
  await expect
    .poll(async () => plain(await (await http.post("/row", { source: "ratios", key: '["4", "2"]' })).text()))
    .toContain("It has the vector of its text.");
  const missing = await http.post("/row", { source: "ratios", key: "4" });
  expect(await missing.text()).toContain("The table has no row with this key.");
});

test("The page shows a week of rows, tokens, cost and freshness, and outlives the process that counted them", async () => {
  const { client, get } = await prepared({ EMBED_PRICE_PER_MILLION_TOKENS: "2" });
  await client.query(`insert into autoembed.embedding_usage (source_id, day, embedded, cached, failed, tokens, waits)
    select id, (now() at time zone 'utc')::date - n, 1000, 234, 5, 3000000, '{0,60,34,6}' from autoembed.embedding_source,
      unnest(array[2, 7]) n where name = 'patient_embeddings'`);
  await client.query(`insert into autoembed.embedding_spending (source_id, day, model, purpose, tokens, cost)
    select source_id, day, 'llm_api any', 'change', tokens, 6 from autoembed.embedding_usage`);
  for (const path of ["/", "/source?name=patient_embeddings"]) {
    const page = plain(await get(path));
    expect(page).toMatch(
      /Day \(UTC\) Rows Failed Tokens Cost 95 % within( \w{3} \d\d-\d\d \S+ \S+ [\d.]+( M)? [\d.]+ (?:–|\d+ ms)){7} (?!\w{3} \d\d-\d\d)/,
    );
    expect(page).toMatch(/1,234 5 3\.00 M 6\.00 400 ms/);
    expect(page.match(/3\.00 M/g)).toHaveLength(1);
  }
});
