import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { describePlan } from "../../src/commands/describe-plan.ts";
import { connect } from "../../src/database/connect.ts";
import { makePlan, type PlanOptions } from "../../src/declared/make-plan.ts";
import { parseDeclared } from "../../src/declared/parse-declared.ts";
import { differs, type Plan } from "../../src/declared/plan.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { prepareDeclaring, type Declaring } from "../support/declaring.ts";

vi.setConfig({ testTimeout: 120_000 });

const TICKETS = `
  create table shop.tickets (id bigint primary key, code text not null unique, subject text, body text);
  create table shop.notes (id bigint primary key, body text);
  insert into shop.tickets select n, 'c' || n, 'subject', 'body number ' || n from generate_series(1, 3) n`;
const signal = new AbortController().signal;

async function preparePlan(settings: Readonly<Record<string, string>> = {}) {
  const on = await prepareDeclaring(TICKETS, settings);
  const db = connect({ databaseUrl: on.database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(on.environment), DATABASE_URL: on.database.url };
  const plan = (sources: readonly object[], options: Partial<PlanOptions> = {}): Promise<Plan> =>
    makePlan(
      db,
      config,
      { file: "autoembed.config.ts", sources: parseDeclared({ sources }, "autoembed.config.ts") },
      { prune: false, counts: true, signal, ...options },
    );
  const watched = (options: Partial<WatchOptions> = {}): Promise<unknown> =>
    watch(db, config, { table: "shop.tickets", text: "body", ...options });
  return { ...on, db, config, plan, watched };
}

const tickets = { table: "shop.tickets", text: "body" };
const brief = ({ steps }: Plan): string[] => steps.map(({ step, source }) => `${step} ${source}`);

/** The vectors of all tickets, as a listener writes them. */
async function embedAll({ listen, client }: Declaring): Promise<void> {
  const listener = await listen();
  await client.query("update shop.tickets set body = body || '.'");
  await listener.whenDrained();
}

test("A plan for a table that is not watched has its rows, tokens and cost, sends nothing and writes nothing", async () => {
  const { plan, provider, client } = await preparePlan({ EMBED_PRICE_PER_MILLION_TOKENS: "1000000" });
  const columns = { table: "shop.tickets", columns: ["subject", "body"], index: { memory: "64MB" } };
  const planned = await plan([columns]);
  expect(brief(planned)).toEqual(["watch shop.tickets", "backfill shop.tickets", "index shop.tickets"]);
  const [, backfill] = planned.steps;
  // Three texts of "subject", a line break, and "body number N": 21 characters each.
  expect(backfill).toMatchObject({ estimate: { report: { rows: 3, texts: 3, tokens: 16, cost: 16 } } });
  expect(planned).toMatchObject({ problems: [], not_declared: ["patient_embeddings"] });
  expect(differs(planned)).toBe(true);
  expect(provider.counts.requests).toBe(0);
  const { rowCount } = await client.query(
    "select from pg_attribute where attrelid = 'shop.tickets'::regclass and attname = 'embedding' and not attisdropped",
  );
  expect(rowCount).toBe(0);
});

test("The plan of a text that is to be cut counts the texts before they are cut, however long they are", async () => {
  const { plan, client } = await preparePlan({ EMBED_MAX_TEXT_CHARACTERS: "10" });
  await client.query("insert into shop.notes values (1, repeat('a word ', 1000)), (2, null)");
  const planned = await plan([{ table: "shop.notes", text: "body", into: "note_chunks", chunk: 100 }]);
  expect(planned.steps).toMatchObject([
    { step: "watch" },
    { step: "backfill", all: false, estimate: { textsToCut: 1, report: { tooLongTexts: 0, tokens: 1750 } } },
  ]);
});

test("Rows that wait for their vectors are a backfill, and no difference", async () => {
  const { plan, watched } = await preparePlan();
  await watched();
  const planned = await plan([tickets]);
  expect(brief(planned)).toEqual(["backfill shop.tickets"]);
  expect(differs(planned)).toBe(false);
  expect((await plan([tickets], { counts: false })).steps).toEqual([]);
});

test("Another text, key, column, table of vectors or cut is a change by `watch`, with what it was and will be", async () => {
  const on = await preparePlan();
  const { plan, watched } = on;
  await watched();
  await embedAll(on);
  const change = async (source: object) => (await plan([{ ...tickets, ...source }])).steps;
  expect(await change({ text: "subject || body" })).toMatchObject([
    { step: "watch", differences: [{ part: "text", from: "body", to: "subject || body" }] },
    { step: "backfill", all: false, estimate: { report: { rows: 3 } } },
  ]);
  expect(await change({ key: "code" })).toMatchObject([
    { step: "watch", differences: [{ part: "key", from: "id", to: "code" }] },
  ]);
  expect(await change({ vector: "other" })).toMatchObject([
    { step: "watch", differences: [{ part: "vector", from: "embedding", to: "other" }] },
    { step: "backfill", estimate: { report: { rows: 3 } } },
  ]);
  expect(await change({ into: "ticket_chunks", chunk: 40 })).toMatchObject([
    { step: "watch", differences: [{ part: "into" }, { part: "chunks", from: "whole" }] },
    { step: "backfill", all: true, estimate: { textsToCut: 3 } },
  ]);
  expect(await change({})).toEqual([]);
});

test("Another model of rows that have vectors is left to `remodel`, and is named with its command and its cost", async () => {
  const on = await preparePlan();
  const { plan, watched } = on;
  await watched({ settings: { batch_size: 5 } });
  await embedAll(on);
  const other = {
    model: "other-model",
    dimensions: 4,
    settings: { batch_size: 5, document_prefix: "text: " },
  };
  const planned = await plan([{ ...tickets, text: "subject", ...other }]);
  expect(planned.steps).toMatchObject([
    { step: "watch", differences: [{ part: "text" }], options: { settings: { batch_size: 5 } } },
    {
      step: "remodel",
      command: 'npm run remodel -- shop.tickets --model other-model --dim 4 --document-prefix "text: "',
      estimate: { report: { rows: 3, model: "other-model" } },
    },
    { step: "backfill" },
  ]);
  const [watching] = planned.steps;
  expect(watching).toMatchObject({ options: { model: undefined } });
});

test("Settings that make the same vectors, and another model of a table without vectors, are changed by `watch`", async () => {
  const on = await preparePlan();
  const { plan, watched } = on;
  await watched();
  const model = { model: "other-model", dimensions: DIMENSIONS };
  expect(brief(await plan([{ ...tickets, ...model }], { counts: false }))).toEqual(["watch shop.tickets"]);
  await embedAll(on);
  const slower = { settings: { requests_per_minute: 10 }, model: "text-embedding-3-small" };
  expect((await plan([{ ...tickets, ...slower }])).steps).toMatchObject([
    { step: "watch", differences: [{ part: "settings", from: "the environment's" }] },
  ]);
  expect(brief(await plan([{ ...tickets, ...model }], { counts: false }))).toEqual(["remodel shop.tickets"]);
});

test("The `remodel` command has every declared setting that differs, and the plan names those that it keeps", async () => {
  const on = await preparePlan();
  const { plan, watched } = on;
  await watched({ settings: { batch_size: 5, timeout_ms: 9_000, extra_body: { user: "clinic" } } });
  await embedAll(on);
  const settings = {
    timeout_ms: 9_000,
    batch_size: 6,
    send_dimensions: true,
    document_extra_body: { input_type: "it's a text" },
  };
  const planned = await plan([{ ...tickets, settings }], { counts: false });
  expect(planned.steps).toMatchObject([
    {
      step: "remodel",
      differences: [{ from: expect.stringContaining('extra_body {"user":"clinic"}') as string }],
      command: `npm run remodel -- shop.tickets --setting batch_size=6 --setting 'document_extra_body={"input_type":"it'\\''s a text"}' --setting send_dimensions=true`,
      kept: ["extra_body"],
    },
  ]);
  expect(describePlan(planned, false)).toContain(
    "It keeps extra_body, which the file leaves out: write there",
  );
  const elsewhere = { ...tickets, settings: { base_url: "http://127.0.0.1:9/v1", batch_size: 5 } };
  expect((await plan([elsewhere], { counts: false })).steps).toMatchObject([
    { command: expect.stringMatching(/--base-url http:\S+ --setting batch_size=5$/) as string, kept: [] },
  ]);
});

test("Texts that are cut, or at another length, have other vectors: they are estimated and left to `remodel`", async () => {
  const on = await preparePlan();
  const { plan, watched } = on;
  await watched();
  await embedAll(on);
  const stepsOf = async (settings: object) => (await plan([{ ...tickets, settings }])).steps;
  expect(await stepsOf({ max_text_characters: 5_000 })).toMatchObject([{ step: "watch" }]);
  expect(await stepsOf({ on_too_long: "fail" })).toMatchObject([{ step: "watch" }]);
  expect(await stepsOf({ on_too_long: "truncate" })).toMatchObject([
    {
      step: "remodel",
      differences: [{ to: expect.stringContaining('on_too_long "truncate"') as string }],
      command: `npm run remodel -- shop.tickets --setting 'on_too_long="truncate"'`,
      estimate: { report: { rows: 3 } },
    },
  ]);
  await watched({ settings: { on_too_long: "truncate" } });
  expect(await stepsOf({ on_too_long: "truncate", max_text_characters: 5_000 })).toMatchObject([
    { step: "remodel", command: "npm run remodel -- shop.tickets --setting max_text_characters=5000" },
    { step: "backfill" },
  ]);
});

test("Settings with the same fields in another order are the same, at every depth", async () => {
  const on = await preparePlan();
  const { plan, watched } = on;
  const body = { user: "clinic", a: { zone: { b: 1, aa: [1, 2] }, b: true } };
  await watched({ settings: { extra_body: body } });
  await embedAll(on);
  const reordered = { a: { b: true, zone: { aa: [1, 2], b: 1 } }, user: "clinic" };
  for (const extra_body of [body, reordered]) {
    const declared = { ...tickets, settings: { extra_body } };
    expect((await plan([declared], { counts: false })).steps).toEqual([]);
    const slower = { ...tickets, settings: { extra_body, requests_per_minute: 10 } };
    expect((await plan([slower], { counts: false })).steps).toMatchObject([
      { step: "watch", differences: [{ part: "settings" }] },
    ]);
  }
  const other = {
    ...tickets,
    settings: { extra_body: { ...body, a: { zone: { b: 1, aa: [2, 1] }, b: true } } },
  };
  expect(brief(await plan([other], { counts: false }))).toEqual(["remodel shop.tickets"]);
});

test("A password in the address of a source is never shown, and is no difference", async () => {
  const on = await preparePlan();
  const { plan, watched, run, client } = on;
  await watched({ settings: { base_url: "http://127.0.0.1:9/v1" } });
  await client.query(`update autoembed.embedding_source set settings = '{"base_url": "http://user:hunter2@127.0.0.1:9/v1"}'
    where name = 'shop.tickets'`);
  const declared = { ...tickets, settings: { base_url: "http://127.0.0.1:9/v1" } };
  expect((await plan([declared], { counts: false })).steps).toEqual([]);
  const changed = await plan([{ ...tickets, text: "subject", model: "other", dimensions: 8 }]);
  expect(JSON.stringify(changed)).toContain("http://127.0.0.1:9");
  const written = await run("sources", "--as-config");
  expect(written.stdout).toContain('base_url: "http://127.0.0.1:9/v1"');
  expect(JSON.stringify([changed, written])).not.toContain("hunter2");
  const address = ["--base-url", "http://user:hunter2@127.0.0.1:9"];
  const refused = await run("watch", "shop.notes", "--text", "body", ...address);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--api-key-env") as string });
  expect(refused.stdout + refused.stderr).not.toContain("hunter2");
});

test("Sources that the file does not name are left alone, and unwatched with `prune`, first of all", async () => {
  const { plan, watched } = await preparePlan();
  await watched({ name: "old" });
  const notes = { table: "shop.notes", text: "body" };
  expect((await plan([notes])).not_declared).toEqual(["patient_embeddings", "old"]);
  const pruned = await plan([notes], { prune: true, counts: false });
  expect(brief(pruned)).toEqual(["unwatch patient_embeddings", "unwatch old", "watch shop.notes"]);
  expect(pruned.not_declared).toEqual([]);
});

test("A source of another name on the same column is refused with `prune` too, and nothing is to be unwatched", async () => {
  const { plan, watched } = await preparePlan();
  await watched({ name: "docs" });
  const pruned = await plan([{ ...tickets, name: "articles" }], { prune: true, counts: false });
  expect(pruned.steps).toEqual([]);
  expect(pruned.problems).toMatchObject([
    { source: "articles", remedy: expect.stringContaining('write name: "docs"') as string },
  ]);
});

test.each([
  [[{ ...tickets, table: "shop.tikets" }], "There is no table shop.tikets.", "Did you mean shop.tickets?"],
  [[{ ...tickets, text: "boddy" }], "neither a column of shop.tickets", "Quote it as SQL does"],
  [
    [{ table: "shop.tickets", columns: ["body", "subjct"] }],
    "has no column subjct.",
    "Did you mean subject?",
  ],
  [[{ ...tickets, key: "subject" }], "is not unique and not null", "Name a primary key"],
  [[{ ...tickets, name: "new" }], "is filled by the source", 'write name: "shop.tickets"'],
  [[tickets, { ...tickets, vector: "second" }], "Two sources of the file are called", "another name"],
  [[{ ...tickets, type: "halfvec" }], "are vector, and the file says halfvec", "Leave out type"],
])(
  "A source that cannot be watched is a problem of the plan, with what to do (%#)",
  async (sources, problem, remedy) => {
    const { plan, watched } = await preparePlan();
    await watched();
    const planned = await plan(sources, { counts: false });
    expect(planned.problems).toMatchObject([
      {
        problem: expect.stringContaining(problem) as string,
        remedy: expect.stringContaining(remedy) as string,
      },
    ]);
    expect(differs(planned)).toBe(true);
  },
);

test("The provider of the database that is not set up here is named as such, with what to do, since the file has another", async () => {
  const { plan, watched } = await preparePlan();
  await watched({ backend: "vertex", dimensions: 8 });
  const { problems } = await plan([tickets], { counts: false });
  expect(problems).toMatchObject([
    {
      problem:
        "The provider that shop.tickets has in the database, and not in the file, is not set up here: VERTEX_PROJECT is not set.",
      remedy: expect.stringContaining("give the source that of the file by `watch`") as string,
    },
  ]);
});

test("While a model is being changed the plan says so, and refuses another text", async () => {
  const { plan, watched, client } = await preparePlan();
  await watched();
  await client.query("alter table shop.tickets add column embedding_next vector(8)");
  await watched({ name: "shop.tickets@next", vector: "embedding_next" });
  const planned = await plan([tickets], { counts: false });
  expect(planned).toMatchObject({ steps: [], not_declared: ["patient_embeddings"] });
  expect(planned.notes).toEqual([
    "The model of shop.tickets is being changed: npm run remodel -- shop.tickets continues, --cancel ends it.",
  ]);
  expect((await plan([{ ...tickets, text: "subject" }], { counts: false })).problems).toHaveLength(1);
});
