import { existsSync } from "node:fs";
import axe from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { CUT_OFF, FAINT_TEXTS } from "../support/page-checks.ts";
import { prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

vi.setConfig({ testTimeout: 120_000 });

const CHROMIUM = "/usr/bin/chromium";
const isThere = existsSync(CHROMIUM);
if (!isThere)
  console.info(`skipped: the page in a browser: there is no ${CHROMIUM} (apt-get install chromium)`);

describe.skipIf(!isThere)(`The page works in a real browser (skipped without ${CHROMIUM})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
  });

  async function open(options: { readonly javaScriptEnabled?: boolean } = {}) {
    const { client, provider, listen, database } = await prepare();
    const listener = await listen();
    const http = await serve(listener, database.url);
    const context = await browser.newContext(options);
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const complaints = complaintsOf(page, http.url);
    return { client, provider, listener, http, page, complaints };
  }

  test("The page follows the work automatically, and the browser reports no breach of its policy", async () => {
    const { client, listener, http, page, complaints } = await open();
    await page.goto(http.url);
    await page.getByRole("heading", { name: "Everything is current." }).waitFor();

    await client.query(
      "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 40) i",
    );
    await listener.whenDrained();

    await page.getByText("40 of 40, 100 %").waitFor();
    expect(await page.locator("#at time").getAttribute("title")).toMatch(/^[^]*\d+:\d\d:\d\d/);
    expect(await page.getByRole("img", { name: /^Queue: / }).count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  test("A search, a retry, a pause and a resume work with the keyboard alone, and without scripts", async () => {
    const { client, provider, listener, http, page, complaints } = await open({ javaScriptEnabled: false });
    provider.poison = (text) => text.startsWith("unspeakable");
    await client.query(
      "insert into patient_embeddings values (1, 'asthma'), (2, 'migraine'), (3, 'unspeakable'), (4, 'unspeakable 4'), (5, 'unspeakable 5')",
    );
    await listener.whenDrained();
    await page.goto(http.url);

    await page.getByRole("searchbox").focus();
    await page.keyboard.type("migraine");
    await page.keyboard.press("Enter");
    const nearest = page.getByRole("list", { name: "Best rows" }).getByRole("listitem").first();
    expect(await nearest.innerText()).toMatch(/^2\s+distance 0\.0000$/);

    provider.poison = undefined;
    await page.getByRole("button", { name: "Retry key 3 of patient_embeddings" }).focus();
    await page.keyboard.press("Space");
    await page.getByRole("status").getByText("One row is waiting again.").waitFor();
    await listener.whenDrained();

    await page.getByRole("checkbox", { name: "Key 4 of patient_embeddings" }).press("Space");
    await page.getByRole("checkbox", { name: "Key 5 of patient_embeddings" }).press("Space");
    await page.getByRole("button", { name: "Retry ticked rows" }).press("Enter");
    await page.getByRole("status").getByText("2 rows are waiting again.").waitFor();
    await listener.whenDrained();

    await page.getByRole("button", { name: "Pause patient_embeddings" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("Paused.").waitFor();
    await page.getByRole("button", { name: "Resume patient_embeddings" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("Resumed.").waitFor();

    await page.getByRole("link", { name: "patient_embeddings" }).press("Enter");
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    await page.getByLabel("Key (of").fill("2");
    await page.getByLabel("Show its text").press("Space");
    await page.getByRole("button", { name: "Look up" }).press("Enter");
    await page.getByText("migraine").waitFor();
    expect(page.url()).toBe(`${http.url}row`);
    expect(complaints).toEqual([]);
  });

  test("A form on another site cannot pause a source", async () => {
    const { client, http, page } = await open();
    await page.goto("data:text/html,<title>elsewhere</title>");
    await page.setContent(
      `<form method="post" action="${http.url}pause"><input name="source" value="patient_embeddings"><button>Win</button></form>`,
    );
    const answered = page.waitForResponse((response) => response.url().endsWith("/pause"));
    await page.getByRole("button").click();
    expect((await answered).status()).toBe(403);
    expect((await client.query("select paused from autoembed.embedding_source")).rows).toEqual([
      { paused: false },
    ]);
  });

  test("Every page fits on a telephone and is accessible, in light and in dark, at work and when the provider is away", async () => {
    const { client, provider, listener, http, page } = await open();
    provider.poison = (text) => text === "unspeakable";
    await client.query(
      "insert into patient_embeddings values (1, 'asthma'), (2, 'unspeakable'), (3, 'unspeakable')",
    );
    await listener.whenDrained();
    await client.query(`insert into autoembed.embedding_usage (source_id, day, embedded, failed, tokens, waits)
      select id, (now() at time zone 'utc')::date - 1, 123456, 1234, 123456789, array_fill(0, array[13]) || 9
      from autoembed.embedding_source where name = 'patient_embeddings';
      insert into autoembed.embedding_spending (source_id, day, model, purpose, tokens, cost)
      select id, (now() at time zone 'utc')::date - 1, 'any', 'change', 123456789, 123.45
      from autoembed.embedding_source where name = 'patient_embeddings'`);
    const states: Readonly<Record<string, () => Promise<unknown>>> = {
      "the page": () => page.getByRole("heading", { name: "Failed rows", exact: true }).waitFor(),
      "a search": async () => {
        await page.getByRole("searchbox").fill("asthma");
        await page.getByText("Filter, and what").click();
        await page.getByLabel("Show texts").check();
        await page.getByRole("button", { name: "Search" }).click();
        await page.getByRole("list", { name: "Best rows" }).waitFor();
      },
      "a source": () => page.getByRole("link", { name: "patient_embeddings" }).click(),
      "a row": async () => {
        await page.getByRole("button", { name: "Row 2 of patient_embeddings" }).first().click();
        await page.getByLabel("Show the text").check();
        await page.getByRole("button", { name: "Show" }).click();
      },
      "the page in an outage": async () => {
        provider.always(503);
        await client.query("insert into patient_embeddings values (4, 'migraine')");
        await page.goto(http.url);
        await page
          .getByText(/next try in|being tried now/)
          .first()
          .waitFor();
      },
    };
    await page.goto(http.url);
    const faults: string[] = [];
    for (const [state, arrive] of Object.entries(states)) {
      await arrive();
      const found = await faultsOf(page);
      faults.push(...found.map((fault) => `${state}, ${fault}`));
    }
    expect(faults).toEqual([]);
  });
});

/** Text that is cut off or beyond the edge, faint text, and what axe-core finds against WCAG 2.2 AA. */
async function faultsOf(page: Page): Promise<string[]> {
  // Passed as text, because it runs in the page and not in this program; the policy forbids scripts of others.
  await page.evaluate(axe.source);
  const run = `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
    .then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + " " + html)))`;
  const found: string[] = [];
  for (const [width, colorScheme, checks] of [
    [360, "light", [CUT_OFF]],
    [390, "dark", [CUT_OFF, FAINT_TEXTS, run]],
    [1280, "light", [CUT_OFF, FAINT_TEXTS, run]],
  ] as const) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    for (const check of checks) {
      const faults = await page.evaluate<string[]>(check);
      found.push(...faults.map((fault) => `${String(width)} px, ${colorScheme}: ${fault}`));
    }
  }
  return found;
}

/** What the browser reports about the page, and every request that leaves it. */
function complaintsOf(page: Page, home: string): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() !== "log") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(home) && request.url() !== "data:,") complaints.push(request.url());
  });
  return complaints;
}
