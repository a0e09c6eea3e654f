import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepareDeclaring, type Declaring } from "../support/declaring.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import { CTRL_C, HAS_TERMINAL, openTerminal, type Terminal } from "../support/terminal.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";
import { withClient } from "../support/with-client.ts";

vi.setConfig({ testTimeout: 240_000 });

const WITHIN = { timeout: 60_000 };
const TABLES = `
  create table shop.articles (id bigint primary key, title text, body text);
  create table shop.keyless (body text);
  insert into shop.articles select n, 'title', 'a private text ' || n from generate_series(1, 5) n`;

/** Runs `init` with the settings of the provider, and of the database only if they are asked for. */
async function runInit({ environment, folder }: Declaring, args: readonly string[], settings = environment) {
  const command = runCommand(["init", ...args], settings, folder);
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

function withoutDatabase({ environment }: Declaring): Record<string, string> {
  const { DATABASE_URL: _, ...rest } = environment;
  return rest;
}

const isWatched = async ({ client }: Declaring): Promise<boolean> =>
  (await client.query("select from autoembed.embedding_source where name like 'shop.%'")).rowCount !== 0;

test("By options alone `init` writes .env for its owner and the file of sources, watches, and embeds nothing", async () => {
  const on = await prepareDeclaring(TABLES);
  await writeFile(join(on.folder, ".env"), "# mine\nEMBED_LOG_LEVEL=silent\n");
  const args = [
    "--database-url",
    on.database.url,
    "--table",
    "shop.articles",
    "--text",
    "title || body",
    "--yes",
  ];
  const done = await runInit(on, args, withoutDatabase(on));
  expect(done).toMatchObject({ code: 0 });
  expect(done.stdout).toContain("body: 5 texts in a sample, 16 characters on average, 16 at most");
  expect(done.stdout).toContain("backfill  shop.articles: 5 rows; about ");
  expect(done.stdout).toContain("Next, to embed the rows that are there: npm run backfill");
  expect(done.stdout + done.stderr).not.toContain("a private text");
  const env = await readFile(join(on.folder, ".env"), "utf8");
  expect(env).toBe(`# mine\nEMBED_LOG_LEVEL=silent\nDATABASE_URL=${on.database.url}\n`);
  expect((await stat(join(on.folder, ".env"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(on.folder, "autoembed.config.ts"), "utf8")).toContain('text: "title || body"');
  expect(await isWatched(on)).toBe(true);
  expect(on.provider.requests.flatMap(({ texts }) => texts).join()).not.toContain("a private text");
  // What was written is what there is.
  expect((await on.run("diff", "--check")).code).toBe(0);
  expect(await runInit(on, args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("autoembed.config.ts is here already.") as string,
  });
});

test.each([
  [["--table", "shop.keyless", "--text", "body"], "shop.keyless has no primary key"],
  [["--table", "shop.articels", "--text", "body"], "There is no table shop.articels."],
  [["--table", "shop.articles", "--text", "boddy"], "neither a column of shop.articles"],
  // A script that was written before a column was added would take another one by its number.
  [["--table", "shop.articles", "--text", "2"], "the text '2' reads no column"],
  [["--table", "shop.articles"], "--text is needed"],
  [["--text", "body"], "--table is needed"],
  [["--database-url", "postgres://user:hunter2@127.0.0.1:1/none"], "ECONNREFUSED"],
  [["--database-url", "nonsense"], "expected a URL such as postgres://"],
  [["--backend", "opnai"], "--backend takes one of"],
])("`init --yes %j` says what is wrong, and writes no file", async (args, message) => {
  const on = await prepareDeclaring(TABLES);
  const settings = args[0] === "--database-url" ? withoutDatabase(on) : on.environment;
  const refused = await runInit(on, [...args, "--yes"], settings);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain(message);
  expect(refused.stderr).not.toMatch(/hunter2|\n\s+at /);
  expect(await readdir(on.folder)).toEqual([]);
  expect(await isWatched(on)).toBe(false);
});

test("A table that is watched already keeps its source, and `init` says how to declare it", async () => {
  const on = await prepareDeclaring(TABLES);
  await on.client.query("alter table shop.articles add column embedding vector(8)");
  await on.client.query("select autoembed.watch('shop.articles', 'body', settings => '{\"batch_size\": 7}')");
  const rows = "select name, text_expression, settings from autoembed.embedding_source order by name";
  const before = (await on.client.query(rows)).rows;
  expect(await runInit(on, ["--table", "shop.articles", "--text", "title", "--yes"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /shop\.articles is watched already[^]*npm run sources -- --as-config/,
    ) as string,
  });
  expect((await on.client.query(rows)).rows).toEqual(before);
  expect(await readdir(on.folder)).toEqual([]);
});

test("A value of .env is never replaced in silence", async () => {
  const on = await prepareDeclaring(TABLES);
  const mine = "DATABASE_URL=postgres://mine@127.0.0.1/mine\n";
  await writeFile(join(on.folder, ".env"), mine);
  const args = ["--database-url", on.database.url, "--table", "shop.articles", "--text", "body", "--yes"];
  expect(await runInit(on, args, withoutDatabase(on))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("DATABASE_URL has another value in .env, which stays.") as string,
  });
  expect(await readFile(join(on.folder, ".env"), "utf8")).toBe(mine);
  expect(await readdir(on.folder)).toEqual([".env"]);
});

test("`init` migrates a database that has nothing of pg-autoembed, watches, and is continued by `backfill`", async () => {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  const provider = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => provider.close());
  await withClient(database.url, (client) => client.query(`create schema shop; ${TABLES}`));
  const folder = await mkdtemp(join(tmpdir(), "init-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const settings = {
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    OPENAI_BASE_URL: `${provider.url}/v1`,
    OPENAI_API_KEY: "test-key",
    EMBED_LOG_LEVEL: "silent",
  };
  const run = async (...args: readonly string[]) => {
    const command = runCommand(args, settings, folder);
    const code = await command.exited;
    return { code, stdout: command.stdout(), stderr: command.stderr() };
  };
  const refused = await run(
    "init",
    "--database-url",
    database.url,
    "--table",
    "shop.none",
    "--text",
    "body",
    "--yes",
  );
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("There is no table shop.none.") as string,
  });
  const { rowCount } = await withClient(database.url, (client) =>
    client.query("select from pg_namespace where nspname = 'autoembed'"),
  );
  expect([rowCount, await readdir(folder)]).toEqual([0, []]);

  const table = ["--table", "shop.articles", "--text", "title, body"];
  const done = await run("init", "--database-url", database.url, ...table, "--yes");
  expect(done).toMatchObject({ code: 0 });
  expect(done.stdout).toContain("backfill  shop.articles: 5 rows");
  expect(done.stdout + done.stderr).not.toMatch(/a private text|\n\s+at /);
  expect(await readFile(join(folder, "autoembed.config.ts"), "utf8")).toContain('columns: ["title", "body"]');
  expect((await run("diff", "--check")).code).toBe(0);
  expect((await run("backfill")).stdout).toMatch(/^5 rows done/);
  const { rows } = await withClient(database.url, (client) =>
    client.query<{ embedded: string }>("select count(embedding) as embedded from shop.articles"),
  );
  expect(rows).toEqual([{ embedded: "5" }]);
});

const name = "`init` in a terminal";
const suite = (tests: () => void): void => {
  if (HAS_TERMINAL) describe(name, tests);
  else describe.skip(skippedTitle(name, "needs a pseudo-terminal", "install util-linux on Linux"), tests);
};

suite(() => {
  const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
  const open = (on: Declaring): Terminal => {
    const { OPENAI_API_KEY: _, EMBEDDING_BACKEND: __, ...settings } = withoutDatabase(on);
    return openTerminal(`sh -c "cd ${on.folder} && exec ${process.execPath} ${cli} init"`, settings);
  };
  const ANSWERS: readonly (readonly [question: string, answer: (on: Declaring) => string])[] = [
    ["to try things out): ", ({ database }) => database.url],
    ["Which one? ", () => "llm_api"],
    ["(typed hidden; empty: none): ", () => "sk-hidden key"],
    // Without its schema, as a person says it.
    ["Which table? ", () => "articles"],
    // By a number of the list, and by a name.
    ["(a column or its number, several with commas, or an SQL expression) ", () => "1, body"],
    ["and watch it? (y/N) ", () => "y"],
  ];
  const answer = async (on: Declaring, terminal: Terminal, until: number): Promise<void> => {
    for (const [question, text] of ANSWERS.slice(0, until)) {
      await expect.poll(terminal.screen, WITHIN).toContain(question);
      terminal.type(`${text(on)}\r`);
    }
  };

  test("asks for all of it, shows no key and no text, and writes both files", async () => {
    const on = await prepareDeclaring(TABLES);
    const terminal = open(on);
    await expect.poll(terminal.screen, WITHIN).toContain("to try things out): ");
    terminal.type("postgres://nobody@127.0.0.1:1/none\r");
    await expect.poll(terminal.screen, WITHIN).toContain("ECONNREFUSED");
    await answer(on, terminal, ANSWERS.length);
    expect(await terminal.exited).toBe(0);
    const screen = terminal.screen();
    expect(screen).toContain("Without a key, so that they cannot be watched: shop.keyless");
    expect(screen).toContain(`at ${on.provider.url}, which gets every text`);
    expect(screen).toContain("Written: .env and autoembed.config.ts");
    expect(screen).not.toMatch(/sk-hidden|a private text/);
    expect(await readFile(join(on.folder, ".env"), "utf8")).toBe(
      `DATABASE_URL=${on.database.url}\nEMBEDDING_BACKEND=llm_api\nOPENAI_API_KEY='sk-hidden key'\n`,
    );
    expect(await readFile(join(on.folder, "autoembed.config.ts"), "utf8")).toContain(
      'columns: ["title", "body"]',
    );
    expect(await isWatched(on)).toBe(true);
  });

  test.each(ANSWERS.map(([question], i) => [question, i] as const))(
    "Ctrl-C at the question %j leaves nothing behind",
    async (question, i) => {
      const on = await prepareDeclaring(TABLES);
      const terminal = open(on);
      await answer(on, terminal, i);
      await expect.poll(terminal.screen, WITHIN).toContain(question);
      terminal.type(CTRL_C);
      expect(await terminal.exited).toBe(1);
      expect(terminal.screen()).not.toMatch(/\n\s+at /);
      expect(await readdir(on.folder)).toEqual([]);
      expect(await isWatched(on)).toBe(false);
    },
  );
});
