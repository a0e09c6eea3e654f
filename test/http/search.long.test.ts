import { request } from "node:http";
import { expect, test } from "vitest";
import { prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";

const JSON_TYPE = { "content-type": "application/json" };
const TEXTS = ["a printer prints blank pages", "the printer is out of paper", "a password was forgotten"];
const [FIRST = "", SECOND = ""] = TEXTS;

async function prepared(settings: Record<string, string> = {}) {
  const on = await prepare();
  const listener = await on.listen();
  await on.client.query(
    "insert into patient_embeddings select i, text from unnest($1::text[]) with ordinality t(text, i)",
    [TEXTS],
  );
  await listener.whenDrained();
  const http = await serve(listener, on.database.url, settings);
  const send = async (body: string, headers: Record<string, string> = JSON_TYPE, method = "POST") => {
    const answer = await fetch(new URL("/v1/search", http.url), {
      method,
      headers,
      ...(method === "POST" ? { body } : {}),
    });
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  };
  const search = async (body: object, headers?: Record<string, string>) => {
    const answer = await send(JSON.stringify(body), headers);
    const read = JSON.parse(answer.body) as Found;
    return { status: answer.status, ...read };
  };
  return { ...on, http, send, search };
}

interface Found {
  readonly hits: readonly {
    readonly key: string;
    readonly score: number;
    readonly text: string | null;
    readonly snippet: string | null;
    readonly row: object;
  }[];
  readonly rankedBy: string;
  readonly notice: string | null;
  readonly error: string;
}

test("POST /v1/search answers with the nearest rows, and with texts, snippets and columns only if they are asked for", async () => {
  const { search } = await prepared();
  const plain = await search({ question: SECOND, limit: 2 });
  expect(plain).toMatchObject({ status: 200, rankedBy: "meaning", notice: null });
  expect(plain.hits).toHaveLength(2);
  expect(plain.hits[0]).toMatchObject({ key: "2", text: null, snippet: null, row: {} });
  expect(plain.hits[0]?.score).toBeCloseTo(1, 4);

  const full = await search({
    question: SECOND,
    source: "patient_embeddings",
    limit: 1,
    text: true,
    snippet: true,
    select: ["patient_id"],
  });
  expect(full.hits).toMatchObject([{ key: "2", text: SECOND, snippet: SECOND, row: { patient_id: "2" } }]);
});

test("POST /v1/search answers with days, times, bytes and enums as Postgres writes them in JSON", async () => {
  const { client, search } = await prepared();
  await client.query(`
    drop type if exists public.stage cascade; create type public.stage as enum ('new', 'old');
    alter table patient_embeddings add born date, add seen timestamptz, add at timestamp, add stay interval, add days date[], add scan bytea,
      add stages public.stage[], add big bigint, add cost numeric;
    update patient_embeddings set born = '2024-01-01', seen = '2024-01-01 00:00:00.123456Z', at = '2024-01-01 00:00:00.123456',
      stay = '1 day 02:00', days = '{2024-01-01}', scan = '\\x00ff', stages = '{new}', big = 9007199254740993, cost = 1.10`);
  const select = ["born", "seen", "at", "stay", "days", "scan", "stages", "big", "cost"];
  const { hits } = await search({ question: FIRST, source: "patient_embeddings", limit: 1, select });
  await client.query(
    `alter table patient_embeddings ${select.map((name) => `drop "${name}"`).join(", ")}; drop type public.stage`,
  );
  expect(hits[0]?.row).toEqual({
    born: "2024-01-01",
    seen: "2024-01-01T00:00:00.123456+00:00",
    at: "2024-01-01T00:00:00.123456",
    stay: "1 day 02:00:00",
    days: ["2024-01-01"],
    scan: "\\x00ff",
    stages: ["new"],
    big: "9007199254740993",
    cost: "1.10",
  });
});

test("POST /v1/search finds rows like a row, filters by columns, and ranks by words", async () => {
  const { search } = await prepared();
  const keys = async (body: object) => (await search(body)).hits.map(({ key }) => key).sort();
  expect(await keys({ like: 2 })).toEqual(["1", "3"]);
  expect(await keys({ like: "2" })).toEqual(["1", "3"]);
  expect(await keys({ question: FIRST, where: { patient_id: { gte: 2 } } })).toEqual(["2", "3"]);
  expect(await keys({ question: FIRST, where: { patient_id: [1, 3] } })).toEqual(["1", "3"]);
  const byWords = await search({ question: "password", hybrid: true, language: "english", minScore: 0.99 });
  expect(byWords).toMatchObject({ rankedBy: "meaning and words" });
});

test.each([
  ["no JSON", "{", "The body is not JSON."],
  ["no object", "[]", "The body should be an object."],
  ["no question", "{}", "either question or like"],
  ["both", '{"question": "a", "like": 1}', "either question or like"],
  ["an unknown property", '{"question": "a", "sauce": 1}', "There is no property sauce."],
  ["a question that is no text", '{"question": 7}', "question should be a text."],
  ["a limit that is none", '{"question": "a", "limit": "ten"}', "limit should be a whole number"],
  ["a limit that is too high", '{"question": "a", "limit": 100000}', "limit should be a whole number"],
  [
    "a list with other things",
    '{"question": "a", "select": ["b", 1]}',
    "select should be a list of columns.",
  ],
  [
    "SQL as a condition",
    '{"question": "a", "where": "true or true"}',
    "where should be an object of columns",
  ],
  [
    "a condition too deep",
    '{"question": "a", "where": {"context_text": {"eq": {"c": 1}}}}',
    "where.context_text.eq cannot be compared. Give one value.",
  ],
  ["an unknown operator", '{"question": "a", "where": {"b": {"or": 1}}}', "where.b has no operator or."],
  ["an unknown column", '{"question": "a", "where": {"nope": 1}}', "There is no column nope to compare."],
  [
    "a column that is none",
    '{"question": "a", "where": {"__proto__": 1}}',
    "There is no column __proto__ to compare.",
  ],
  ["a NUL", '{"question": "a\\u0000b"}', "The body has a NUL character."],
  ["a blank question", '{"question": " "}', "The question has no words."],
  ["the key of no row", '{"like": 77}', "has no row with that key"],
])("POST /v1/search refuses a body with %s, and says why", async (_, body, says) => {
  const { send } = await prepared();
  const answer = await send(body);
  expect(answer.status).toBe(400);
  expect(answer.headers.get("content-type")).toContain("application/json");
  expect((JSON.parse(answer.body) as Found).error).toContain(says);
});

test("POST /v1/search answers 404 for an unknown source, 405 for GET, 413 for a long body and 415 for a form", async () => {
  const { http, send, search } = await prepared();
  expect(await search({ question: "a", source: "nothing" })).toMatchObject({
    status: 404,
    error: expect.stringContaining('No source is called "nothing".') as string,
  });
  const got = await send("", {}, "GET");
  expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  expect((await search({ question: "x".repeat(70_000) })).status).toBe(413);
  expect((await send('{"question": "a"}', { "content-type": "text/plain" })).status).toBe(415);
  const form = await fetch(new URL("/v1/search", http.url), {
    method: "POST",
    body: new URLSearchParams({ question: "a" }),
  });
  expect(form.status).toBe(415);
});

test("POST /v1/search needs the token where there is one, and is refused to other sites and host names", async () => {
  const token = "a-token-of-enough-length";
  const { http, send } = await prepared({ EMBED_HTTP_TOKEN: token });
  const body = JSON.stringify({ question: SECOND });
  const status = async (headers: Record<string, string>) =>
    (await send(body, { ...JSON_TYPE, ...headers })).status;
  const authorization = `Bearer ${token}`;
  expect(await status({})).toBe(401);
  expect(JSON.parse((await send(body)).body)).toEqual({
    error: "Give EMBED_HTTP_TOKEN as the password, or as a bearer token.",
  });
  expect(await status({ authorization: "Bearer wrong" })).toBe(401);
  expect(await status({ authorization })).toBe(200);
  expect(await status({ authorization, origin: new URL(http.url).origin })).toBe(200);
  expect(await status({ authorization, origin: "https://elsewhere.example" })).toBe(403);
  expect(await status({ authorization, "sec-fetch-site": "same-site" })).toBe(403);

  const open = await prepared();
  const rebound = await new Promise((resolve, reject) => {
    const headers = { ...JSON_TYPE, host: "rebound.example" };
    request(new URL("/v1/search", open.http.url), { method: "POST", headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .once("error", reject)
      .end(body);
  });
  expect(rebound).toBe(421);
});

test("While the provider is down POST /v1/search answers 503 and says nothing of the provider; rows like a row are found", async () => {
  const { provider, search, http } = await prepared();
  provider.always(401);
  const down = await search({ question: "something new" });
  expect(down).toEqual({
    status: 503,
    error: "Questions cannot be embedded as this is set up; the operator can see why.",
  });
  expect(await search({ like: 1 })).toMatchObject({ status: 200 });
  expect(http.logged.join("\n")).not.toContain("something new");
});

test("A question that the provider refuses is answered 400 by POST /v1/search, with what to do", async () => {
  const { provider, search } = await prepared();
  const question = `a very long question${" and more of it".repeat(20)}`;
  provider.poison = (text) => text === question;
  expect(await search({ question })).toEqual({
    status: 400,
    error: "This question cannot be embedded. Ask in other words.",
  });
  provider.poison = undefined;
  provider.longestText = 200;
  expect(await search({ question })).toEqual({
    status: 400,
    error: "This question cannot be embedded. Ask in fewer words.",
  });
});

test("The listener logs nothing of a question or a text that POST /v1/search saw", async () => {
  const { search, http } = await prepared();
  await search({ question: "an unusual question", text: true });
  await search({ question: "an unusual question", source: "an unusual source" });
  await search({ question: "an unusual question" }, { ...JSON_TYPE, "sec-fetch-site": "cross-site" });
  expect(http.logged.join("\n")).toContain("another site");
  expect(http.logged.join("\n")).not.toMatch(/unusual|printer|paper/);
});
