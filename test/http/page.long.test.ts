import { request } from "node:http";
import { expect, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { prepare } from "../support/listening.ts";
import { NEW_SETTINGS, prepareOutdatedRows } from "../support/outdated-rows.ts";
import { serve } from "../support/serving.ts";

async function prepared(settings: Record<string, string> = {}) {
  const { client, provider, listen, database } = await prepare();
  const listener = await listen();
  const http = await serve(listener, database.url, settings);
  return { client, provider, listener, http };
}

test("The page reports that everything is current, and carries all it needs in less than 100 kB", async () => {
  const { client, listener, http } = await prepared();
  await client.query(
    "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 50) i",
  );
  await listener.whenDrained();

  const page = await vi.waitFor(
    async () => {
      const answer = await fetch(http.url);
      const text = await answer.text();
      expect(text).toContain("Everything is current.");
      expect(text).toContain("50 of 50, 100 %");
      return { answer, text };
    },
    { timeout: 30_000, interval: 200 },
  );

  expect(page.text.length).toBeLessThan(100_000);
  expect(page.text).not.toMatch(/(src|href)="(?!data:,"|\/source\?)/);
  expect(page.answer.headers.get("content-security-policy")).toMatch(
    /^default-src 'none'; style-src 'sha256-/,
  );
  expect(page.answer.headers.get("cache-control")).toBe("no-store");
});

test("The page counts the rows of an old text and of an old setting, with the command that embeds them, and calls no row of another tool outdated", async () => {
  const { database, listen } = await prepareOutdatedRows();
  const http = await serve(await listen(NEW_SETTINGS), database.url);
  await expect.poll(async () => await (await fetch(http.url)).text()).toContain("2 of 7, 28.5 %");
  const page = await (await fetch(http.url)).text();
  expect(page).toContain("2 of 7, 28.5 %; 2 of an old text; 3 of an old model or setting");
  expect(page).toContain("Everything is current except 5 stale rows.");
  expect(page).toContain(
    "2 rows have the vector of an old text, 3 rows have a vector of an old model or setting: npm run backfill -- --source patient_embeddings",
  );
});

test("The page counts failed rows by reason with their keys and attempts, not their texts, and can retry one row or one reason", async () => {
  const { client, provider, listener, http } = await prepared();
  provider.poison = (text) => text.includes("unspeakable");
  await client.query(
    "insert into patient_embeddings select i, 'unspeakable ' || i from generate_series(7, 16) i",
  );
  await client.query("insert into patient_embeddings values (20, 'unspeakable'), (21, 'asthma')");
  await listener.whenDrained();
  await client.query(
    "update autoembed.embedding_queue set last_error = 'It is too long.', attempts = 3 where key = '20'",
  );

  const page = await (await fetch(http.url)).text();
  expect(page).toContain("except 11 failed rows");
  expect(page).toMatch(/>10<\/b>\s*<span>answered 400/);
  expect(page).toMatch(/>1<\/b>\s*<span>It is too long\./);
  expect(page).toMatch(/<code>20<\/code>[^]*3 attempts/);
  expect(page).toContain("and 5 more: <code>npm run failed -- --source patient_embeddings");
  expect(page).not.toContain("unspeakable");
  const failedKeys = async () =>
    (
      await client.query<{ key: string }>(
        "select key from autoembed.embedding_queue where failed_at is not null",
      )
    ).rows;
  const ofReason = await http.post("/retry", { reason: "It is too long." });
  expect(ofReason.headers.get("location")).toBe("/?retried=1");
  await expect.poll(failedKeys).toHaveLength(11);

  provider.poison = undefined;
  const answer = await http.post("/retry", { source: "patient_embeddings", key: "7" });
  expect(answer.status).toBe(303);
  expect(answer.headers.get("location")).toBe("/?retried=1");
  await expect
    .poll(
      async () =>
        (await client.query("select from patient_embeddings where embedding is null and patient_id = 7"))
          .rowCount,
    )
    .toBe(0);
});

test("The page retries the failed rows that are ticked, of any source, and none where none is ticked", async () => {
  const { client, listener, http } = await prepared();
  await listener.stop();
  await client.query("create table notes (id text primary key, body text, embedding vector(8))");
  await client.query("select autoembed.watch('notes', 'body')");
  await client.query("insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 4) i");
  await client.query("insert into notes values ('a&key=b', 'one'), ('c', 'two')");
  await client.query(
    "update autoembed.embedding_queue set failed_at = now(), last_error = 'It is too long.'",
  );
  const failedKeys = async () =>
    (
      await client.query<{ key: string }>(
        "select key from autoembed.embedding_queue where failed_at is not null order by key",
      )
    ).rows.map(({ key }) => key);
  const page = await (await fetch(http.url)).text();
  const form = /<form[^>]*id="(ticked-reason-\w+)"/.exec(page)?.[1];
  expect(form).toBeDefined();
  const boxes = [...page.matchAll(/<input[^>]*type="checkbox"[^>]*form="([^"]*)"[^>]*value="([^"]*)"/g)];
  expect(boxes.length).toBeGreaterThan(1);
  expect(boxes.every(([, of]) => of === form)).toBe(true);

  const none = await http.post("/retry", { choose: "" });
  expect(none.headers.get("location")).toBe("/?retried=0");
  expect(await failedKeys()).toHaveLength(6);
  expect(await (await fetch(new URL("/?retried=0", http.url))).text()).toContain("No row was retried");

  const rows = [
    new URLSearchParams({ source: "notes", key: "a&key=b" }).toString(),
    new URLSearchParams({ source: "patient_embeddings", key: "2" }).toString(),
    "nonsense",
  ];
  const some = await http.post("/retry", { choose: "", row: rows });
  expect(some.headers.get("location")).toBe("/?retried=2");
  expect(await failedKeys()).toEqual(["1", "3", "4", "c"]);
});

test("The page pauses and resumes a source, and rows that change during the pause wait", async () => {
  const { client, listener, http } = await prepared();

  await http.post("/pause", { source: "patient_embeddings" });
  expect(await (await fetch(http.url)).text()).toContain("patient_embeddings is paused");
  const { rows } = await client.query("select paused from autoembed.embedding_source");
  expect(rows).toEqual([{ paused: true }]);

  await client.query("insert into patient_embeddings values (1, 'asthma')");
  await http.post("/resume", { source: "patient_embeddings" });
  await listener.whenDrained();
  expect((await client.query("select 1 from patient_embeddings where embedding is not null")).rowCount).toBe(
    1,
  );
});

test("A search on the page shows the nearest keys and distances, texts only when asked, and only rows that pass its filter", async () => {
  const { client, listener, http } = await prepared();
  await client.query("insert into patient_embeddings values (1, 'asthma & <3 \"coughs\"'), (2, 'migraine')");
  await listener.whenDrained();
  const search = async (fields: Record<string, string>) =>
    await (await http.post("/search", { source: "patient_embeddings", query: "migraine", ...fields })).text();

  const keys = await search({});
  expect(keys).toMatch(/<ol class="hits"[^]*?<code>2<\/code>[^]*?distance 0\.0000/);
  expect(keys).not.toContain("cough");
  expect(await search({ text: "on" })).toContain("asthma &#38; &#60;3 &#34;coughs&#34;");
  expect(await search({ how: "both" })).toContain("by meaning and words: 1 is the best score of this answer");

  const filtered = await search({ where: '{"patient_id": {"lt": 2}}' });
  expect(filtered).toContain("The best row");
  expect(filtered).toContain('value="{&#34;patient_id&#34;: {&#34;lt&#34;: 2}}"');
  for (const where of ["patient_id < 2", '{"patient_id": {"under": 2}}', '{"nowhere": 1}', "[]"])
    expect(await search({ where })).toContain('role="alert"');
});

test("A search on the page while the provider is down reports it, and the page stays up", async () => {
  const { provider, http } = await prepared({ OPENAI_API_KEY: "x" });
  provider.always(401);
  const answer = await http.post("/search", { source: "patient_embeddings", query: "anything" });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toMatch(/role="alert"/);
});

test("Forms from another site, without a token, or with a wrong token change nothing", async () => {
  const { client, http } = await prepared();
  const form = { source: "patient_embeddings" };
  const foreign = await http.post("/pause", form, { "sec-fetch-site": "cross-site" });
  const sameSite = await http.post("/pause", form, { "sec-fetch-site": "same-site" });
  const forged = await http.post("/pause", { ...form, token: "guess" });
  const older = await fetch(new URL("/pause", http.url), {
    method: "POST",
    headers: { origin: "https://elsewhere.example" },
    body: new URLSearchParams({ ...form, token: await http.formToken() }),
  });

  expect([foreign.status, sameSite.status, forged.status, older.status]).toEqual([403, 403, 403, 403]);
  expect((await client.query("select paused from autoembed.embedding_source")).rows).toEqual([
    { paused: false },
  ]);
  expect((await fetch(new URL("/pause", http.url))).status).toBe(405);
  expect((await http.post("/search", { query: "x".repeat(100_000) })).status).toBe(413);
});

test("A host name that another site points at this machine is not answered", async () => {
  const { http } = await prepared();
  const status = await new Promise((resolve, reject) => {
    request(http.url, { headers: { host: "rebound.example" } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .once("error", reject)
      .end();
  });
  expect(status).toBe(421);
});

test("With EMBED_HTTP_TOKEN set, the page and the metrics need the token, and health needs none", async () => {
  const token = "a-token-of-enough-length";
  const { http } = await prepared({ EMBED_HTTP_TOKEN: token });
  const status = async (path: string, authorization?: string) =>
    (await fetch(new URL(path, http.url), { headers: authorization === undefined ? {} : { authorization } }))
      .status;

  expect(await status("/")).toBe(401);
  expect(await status("/metrics", "Bearer wrong")).toBe(401);
  expect(await status("/metrics", `Bearer ${token}`)).toBe(200);
  expect(await status("/", `Basic ${Buffer.from(`anybody:${token}`).toString("base64")}`)).toBe(200);
  expect(await status("/healthz")).toBe(200);
  expect(await status("/readyz")).toBe(200);
});

test("An address that other machines can reach is refused without a token", () => {
  expect(() => readConfig({ EMBED_HTTP_HOST: "0.0.0.0" })).toThrow(/EMBED_HTTP_TOKEN: must be set/);
  expect(() => readConfig({ EMBED_HTTP_TOKEN: "short" })).toThrow(/at least 16 characters/);
  expect(readConfig({ EMBED_HTTP_HOST: "::1" }).EMBED_HTTP_HOST).toBe("::1");
});
