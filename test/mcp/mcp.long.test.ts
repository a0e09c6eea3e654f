import { beforeEach, expect, test, vi } from "vitest";
import { startAgent, type Agent } from "../support/agent.ts";
import { runCommand } from "../support/command.ts";
import { prepare, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

interface Answer {
  readonly hits: readonly { readonly key: string; readonly text?: string; readonly row?: object }[];
  readonly sources: readonly object[];
  readonly cut?: string;
}

const BODIES = ["a printer prints blank pages", "the printer is out of paper", "a password was forgotten"];
const [, SECOND = ""] = BODIES;

let on: Listening;
beforeEach(async () => {
  on = await prepare();
  await on.client.query(`
    drop table if exists public.tickets;
    create table public.tickets (id bigint primary key, status text, secret text, body text, embedding vector(8));
    select autoembed.watch('public.tickets', 'body', source_name => 'tickets')`);
  const listener = await on.listen();
  await on.client.query(
    `insert into public.tickets select i, case when i = 2 then 'new' else 'open' end, 'hidden ' || i, body
      from unnest($1::text[]) with ordinality t(body, i)`,
    [BODIES],
  );
  await listener.whenDrained();
  await listener.stop();
});

const start = (...args: string[]): Promise<Agent> => startAgent(args, on.environment);
const read = async (agent: Agent, tool: string, input?: Record<string, unknown>): Promise<Answer> => {
  const { isError, text } = await agent.call(tool, input);
  if (isError) throw new Error(text);
  return JSON.parse(text) as Answer;
};
const problem = async (agent: Agent, tool: string, input: Record<string, unknown>): Promise<string> => {
  const { isError, text } = await agent.call(tool, input);
  expect(isError).toBe(true);
  return text;
};
const keys = ({ hits }: Answer): string[] => hits.map(({ key }) => key);

test("An agent finds rows by meaning and rows like a row, and gets neither texts nor columns that were not allowed", async () => {
  const agent = await start();
  expect((await agent.client.listTools()).tools.map(({ name }) => name)).toEqual([
    "search",
    "similar",
    "sources",
    "status",
  ]);
  const found = await agent.call("search", { question: SECOND, source: "tickets", limit: 2 });
  const answer = JSON.parse(found.text) as Answer;
  expect(answer).toMatchObject({ source: "tickets", rankedBy: "meaning", notice: null });
  expect(answer.hits).toHaveLength(2);
  expect(answer.hits[0]).toEqual({ key: "2", score: 1 });
  expect(found.text).not.toMatch(/printer|hidden|status/);
  expect(keys(await read(agent, "similar", { source: "tickets", key: 2 })).sort()).toEqual(["1", "3"]);
  expect(agent.noise).toEqual([]);
});

test("An agent gets texts with --texts, and the columns of --columns, by which alone it may filter", async () => {
  const agent = await start("--texts", "--columns", "tickets=status");
  const found = await read(agent, "search", {
    question: SECOND,
    source: "tickets",
    where: { status: ["new"] },
  });
  expect(found.hits).toEqual([{ key: "2", score: 1, row: { status: "new" }, text: SECOND }]);
  const input = { question: SECOND, source: "tickets" };
  expect(await problem(agent, "search", { ...input, where: { secret: { like: "h%" } } })).toBe(
    "tickets may not be filtered by secret. Allowed are: status.",
  );
  expect(await problem(agent, "search", { ...input, where: { status: { or: "x" } } })).toContain(
    "where.status has no operator or.",
  );
  // An object literal would set its prototype.
  const lost = (where: string): Record<string, unknown> => ({ ...input, where: JSON.parse(where) as object });
  expect(await problem(agent, "search", lost('{"__proto__": "x"}'))).toBe(
    "tickets may not be filtered by __proto__. Allowed are: status.",
  );
  expect(await problem(agent, "search", lost('{"status": {"ne": "old", "__proto__": "x"}}'))).toContain(
    "where.status has no operator __proto__.",
  );
  expect(await problem(agent, "search", { ...input, select: ["secret"] })).toContain("select");
  const other = { question: SECOND, source: "patient_embeddings", where: { status: "new" } };
  expect(await problem(agent, "search", other)).toContain("None of its columns is allowed here.");
});

test("An agent is told the day that a row has, whatever the time zone of its machine", async () => {
  await on.client.query(
    "alter table public.tickets add due date; update public.tickets set due = '2024-01-01'",
  );
  const agent = await startAgent(["--columns", "tickets=due"], { ...on.environment, TZ: "Asia/Tokyo" });
  const { hits } = await read(agent, "search", {
    question: SECOND,
    source: "tickets",
    where: { due: "2024-01-01" },
  });
  expect(hits[0]?.row).toEqual({ due: "2024-01-01" });
});

test("sources and status say what is embedded and how much of it is current, and nothing of providers", async () => {
  await on.client.query("insert into public.tickets values (4, 'open', 'hidden', 'a new one')");
  const agent = await start("--columns", "tickets=status");
  const listed = await read(agent, "sources");
  expect(listed.sources).toContainEqual({
    name: "tickets",
    table: "public.tickets",
    key: ["id"],
    embeds: "body",
    inChunks: false,
    columns: ["status"],
  });
  const status = await agent.call("status");
  expect((JSON.parse(status.text) as Answer).sources).toContainEqual({
    name: "tickets",
    rows: 4,
    current: 3,
    pending: 1,
    in_flight: 0,
    failed: 0,
    paused: false,
    hasProblem: false,
  });
  expect(JSON.stringify(listed) + status.text).not.toMatch(/http|127\.0\.0\.1|key"?:"?test|llm_api/);
});

test("An answer that would be too long is cut between two rows, and says so", async () => {
  await on.client.query("update public.tickets set body = body || repeat(' and more', 60)");
  const agent = await start("--texts", "--characters", "1000");
  const { isError, text } = await agent.call("search", { question: SECOND, source: "tickets" });
  expect(isError).toBe(false);
  expect(text.length).toBeLessThanOrEqual(1_000);
  const { hits, cut } = JSON.parse(text) as Answer;
  expect(hits).toHaveLength(1);
  expect(cut).toBe(
    "2 of 3 hits are left out: an answer has at most 1000 characters. A lower limit makes answers shorter.",
  );
});

test("An agent leaves the database as it is: not even its question is kept", async () => {
  const agent = await start();
  await on.client.query("truncate autoembed.embedding_question");
  expect(
    (await read(agent, "search", { question: "never asked before", source: "tickets" })).hits,
  ).toHaveLength(3);
  const { rows } = await on.client.query("select from autoembed.embedding_question");
  expect(rows).toHaveLength(0);
});

test("While the provider refuses the key, or a question, an agent is told so, without the provider's words or address", async () => {
  const agent = await start();
  on.provider.always(401);
  expect(await problem(agent, "search", { question: "anything", source: "tickets" })).toBe(
    "Questions cannot be embedded as this is set up; the operator can see why.",
  );
  on.provider.always(400);
  expect(await problem(agent, "search", { question: "anything", source: "tickets" })).toBe(
    "This question cannot be embedded. Ask in other words.",
  );
  expect(await problem(agent, "search", { question: "anything", source: "nothing" })).toContain(
    'No source is called "nothing".',
  );
});

test.each([
  [["--columns", "tickets"], "--columns takes a source and its columns"],
  [["--columns", "nothing=status"], 'No source is called "nothing".'],
  [["--characters", "10"], "--characters takes a whole number from 1000"],
])("`mcp %s` fails with the reason on stderr", async (args, says) => {
  const command = runCommand(["mcp", ...args], on.environment);
  expect(await command.exited).toBe(2);
  expect(command.stderr()).toContain(says);
  expect(command.stdout()).toBe("");
});

test("`mcp` ends with exit code 0 when its client closes stdin, and has written nothing but the protocol", async () => {
  const command = runCommand(["mcp"], { ...on.environment, EMBED_OF_ANOTHER_PROGRAM: "1" });
  const message = { jsonrpc: "2.0", id: 1, method: "initialize" };
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  command.process.stdin?.write(`${JSON.stringify({ ...message, params })}\n`);
  await expect.poll(() => command.stdout()).toContain("\n");
  command.process.stdin?.end();
  expect(await command.exited).toBe(0);
  expect(JSON.parse(command.stdout())).toMatchObject({
    id: 1,
    result: { serverInfo: { name: "pg-autoembed" } },
  });
});
