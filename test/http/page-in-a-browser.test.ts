import { existsSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { FAINT_TEXTS, UNNAMED_CONTROLS } from "../support/page-checks.ts";
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
    expect(await page.getByRole("img", { name: /^Queue: / }).count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  test("A search, a retry, a pause and a resume work with the keyboard alone, and without scripts", async () => {
    const { client, provider, listener, http, page, complaints } = await open({ javaScriptEnabled: false });
    provider.poison = (text) => text === "unspeakable";
    await client.query(
      "insert into patient_embeddings values (1, 'asthma'), (2, 'migraine'), (3, 'unspeakable')",
    );
    await listener.whenDrained();
    await page.goto(http.url);

    await page.getByRole("searchbox").focus();
    await page.keyboard.type("migraine");
    await page.keyboard.press("Enter");
    const nearest = page.getByRole("region", { name: "Nearest rows" }).getByRole("row").nth(1);
    expect(await nearest.innerText()).toMatch(/^2\s+0\.0000$/);

    provider.poison = undefined;
    await page.getByRole("button", { name: "Retry key 3 of patient_embeddings" }).focus();
    await page.keyboard.press("Space");
    await page.getByRole("status").getByText("One row is waiting again.").waitFor();
    await listener.whenDrained();

    await page.getByRole("button", { name: "Pause patient_embeddings" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("Paused.").waitFor();
    await page.getByRole("button", { name: "Resume patient_embeddings" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("Resumed.").waitFor();
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

  test.each(["light", "dark"] as const)(
    "The page's text is easy to read in %s colours, on a small screen too",
    async (colorScheme) => {
      const { client, provider, listener, http, page } = await open();
      provider.poison = (text) => text === "unspeakable";
      await client.query("insert into patient_embeddings values (1, 'asthma'), (2, 'unspeakable')");
      await listener.whenDrained();
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 380, height: 800 });
      await page.goto(http.url);
      await page.getByRole("heading", { name: "Failed rows" }).waitFor();

      // Passed as text, because it runs in the page and not in this program.
      expect(await page.evaluate(FAINT_TEXTS)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
      expect(await page.evaluate(UNNAMED_CONTROLS)).toEqual([]);
    },
  );
});

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
