import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES, resolveProviderSettings } from "../../src/providers/resolve-provider-settings.ts";
import type { Role } from "../../src/providers/roles/role.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { startSpelledProvider, type SpelledAnswer } from "../support/spelled-provider.ts";

const DIMENSIONS = 4;
const TEXTS = ["asthma", "a broken wrist"];
const never = new AbortController().signal;
const vectors = (texts: readonly string[] = TEXTS) =>
  texts.map((text) => Array.from(oracleVector(text, DIMENSIONS)));

afterEach(() => {
  vi.unstubAllEnvs();
});

function fileOf(template: unknown): string {
  const file = join(mkdtempSync(join(tmpdir(), "autoembed-")), "template.json");
  writeFileSync(file, typeof template === "string" ? template : JSON.stringify(template));
  return file;
}

function configOf(template: unknown) {
  return readConfig({ EMBEDDING_BACKEND: "rest", EMBED_REST_TEMPLATE: fileOf(template) });
}

async function serve(answer: SpelledAnswer) {
  const server = await startSpelledProvider(() => answer);
  onTestFinished(() => server.close());
  return server;
}

async function embed(template: unknown, texts: readonly string[] = TEXTS, role: Role = "document") {
  return await withProvider(
    configOf(template),
    NO_OVERRIDES,
    { dimensions: DIMENSIONS },
    async (provider) => ({
      ...(await provider.embed(texts, role, never)),
      fingerprint: provider.fingerprint,
      limits: provider.limits,
    }),
  );
}

function expectVectors({ vectors }: Awaited<ReturnType<typeof embed>>, texts = TEXTS): void {
  for (const [i, text] of texts.entries()) expect(vectors.at(i)).toEqual(oracleVector(text, DIMENSIONS));
}

test("A template's placeholders are filled in its url, its headers and its body", async () => {
  vi.stubEnv("NOTES_API_KEY", "key-4242\n");
  vi.stubEnv("NOTES_TEAM", "team 7");
  const server = await serve({ body: { results: vectors().map((vector) => ({ vector })), usage: { n: 7 } } });
  const template = {
    url: `${server.url}/{{env:NOTES_TEAM}}/{{model}}?kind={{role}}`,
    model: "org/m:1",
    headers: { "X-Key": "Key {{env:NOTES_API_KEY}}", "x-model": "{{model}}" },
    body: { m: "{{model}}", deep: [{ in: "{{texts}}" }], note: "as {{role}} of {{env:NOTES_TEAM}}", n: 1 },
    roles: { document: "passage", query: "question" },
    vectors: "results[].vector",
    tokens: "usage.n",
    max_inputs: 8,
  };
  const answer = await embed(template, TEXTS, "query");
  expectVectors(answer);
  expect(answer).toMatchObject({ tokens: 7, areTokensEstimated: false, limits: { inputs: 8 } });
  expect(server.requests).toMatchObject([
    {
      path: "/v1/team%207/org%2Fm%3A1?kind=question",
      headers: { "x-key": "Key key-4242", "x-model": "org/m:1" },
      body: { m: "org/m:1", deep: [{ in: TEXTS }], note: "as question of team 7", n: 1 },
    },
  ]);
});

test.each([
  ["a list of lists", { vectors: "embeddings.float" }, { embeddings: { float: vectors() } }],
  ["an answer that is a list itself", { vectors: "[]" }, vectors()],
  ["lists in the items of a list", { vectors: "[].v" }, vectors().map((v) => ({ v }))],
  [
    "another order, with numbers",
    { vectors: "data[].e", index: "data[].i" },
    {
      data: vectors()
        .map((e, i) => ({ e, i }))
        .toReversed(),
    },
  ],
])("Vectors are found in %s", async (_what, where, body) => {
  const { url } = await serve({ body });
  expectVectors(await embed({ url, model: "m", body: { input: "{{texts}}" }, max_inputs: 2, ...where }));
});

test("An item of a list that has a text is repeated for each text", async () => {
  const server = await serve({ body: { e: vectors() } });
  const body = { requests: [{ content: { parts: [{ text: "{{text}}" }] } }] };
  expectVectors(await embed({ url: server.url, model: "m", body, vectors: "e", max_inputs: 2 }));
  expect(server.requests[0]?.body).toEqual({
    requests: TEXTS.map((text) => ({ content: { parts: [{ text }] } })),
  });
});

test("A template with one text per request finds the vector alone", async () => {
  const [vector] = vectors();
  const { url } = await serve({ body: { embedding: vector } });
  const answer = await embed({ url, model: "m", body: { t: "{{text}}" }, vectors: "embedding" }, ["asthma"]);
  expectVectors(answer, ["asthma"]);
  expect(answer.limits.inputs).toBe(1);
});

test("Texts that look like placeholders or like patterns of a replacement are sent as they are", async () => {
  const texts = ["{{env:HOME}} $& $1", "{{role}}"];
  const server = await serve({ body: { e: vectors(texts) } });
  const body = { requests: [{ t: "note: {{text}}" }] };
  expectVectors(
    await embed({ url: server.url, model: "m", body, vectors: "e", max_inputs: 2 }, texts),
    texts,
  );
  expect(server.requests[0]?.body).toEqual({ requests: texts.map((t) => ({ t: `note: ${t}` })) });
});

test("What decides a row's vector is part of its name, and no variable's value is", async () => {
  const { url } = await serve({ body: { e: vectors() } });
  const of = async (changed: object, secret = "s-1"): Promise<string> => {
    vi.stubEnv("NOTES_API_KEY", secret);
    const template = {
      url: `${url}/{{env:NOTES_API_KEY}}`,
      model: "m",
      headers: { key: "{{env:NOTES_API_KEY}}" },
      body: { in: "{{texts}}", kind: "{{role}}" },
      roles: { document: "d", query: "q" },
      vectors: "e",
      max_inputs: 2,
    };
    return (await embed({ ...template, ...changed })).fingerprint;
  };
  const name = await of({});
  expect(name).toMatch(/^rest\/m@4 http:.*\/v1\/NOTES_API_KEY #\w+$/);
  expect(await of({}, "s-2")).toBe(name);
  expect(await of({ roles: { document: "d", query: "other" } })).toBe(name);
  const others = [
    await of({ model: "other" }),
    await of({ roles: { document: "other", query: "q" } }),
    await of({ body: { in: "{{texts}}", kind: "{{role}}", normalize: true } }),
    await of({ url: `${url}/elsewhere` }),
  ];
  expect(new Set([name, ...others]).size).toBe(5);
});

test("A variable that is not set is named, and nothing is sent", async () => {
  vi.stubEnv("NOTES_API_KEY", "");
  const server = await serve({ body: {} });
  const headers = { key: "{{env:NOTES_API_KEY}}" };
  const body = { in: "{{texts}}" };
  await expect(
    embed({ url: server.url, model: "m", headers, body, vectors: "e", max_inputs: 2 }),
  ).rejects.toMatchObject({
    kind: "setup",
    message: expect.stringMatching(/^NOTES_API_KEY is not set, and .*template.json asks for it\./) as string,
  });
  expect(server.requests).toEqual([]);
});

test("A key in a template is in no message", async () => {
  vi.stubEnv("NOTES_API_KEY", "key-4242");
  const failing = async (status: number): Promise<unknown> => {
    const { url } = await serve({ status, body: { message: "no access for key-4242 by literal-1717" } });
    const headers = { key: "{{env:NOTES_API_KEY}}", other: "literal-1717" };
    const body = { in: "{{texts}}" };
    return await embed({ url, model: "m", headers, body, vectors: "e", max_inputs: 2 }).catch(
      (error: unknown) => error,
    );
  };
  const refused = await failing(401);
  expect(refused).toMatchObject({
    kind: "setup",
    message: expect.stringContaining("Check NOTES_API_KEY") as string,
  });
  for (const error of [refused, await failing(400), await failing(503)])
    expect(String(error)).not.toMatch(/4242|1717/);
});

test.each([
  [
    "without the path",
    { data: [] },
    { kind: "setup", says: /answered without e, where .* says that its vectors are/ },
  ],
  ["with an error", { error: { message: "overloaded" } }, { kind: "unavailable", says: /overloaded/ }],
  ["with too few vectors", { e: vectors(["one"]) }, { kind: "unavailable", says: /1 vectors for 2 texts/ }],
])("An answer %s is reported, and nothing of it is taken", async (_what, answer, { kind, says }) => {
  const { url } = await serve({ body: answer });
  const embedded = embed({ url, model: "m", body: { in: "{{texts}}" }, vectors: "e", max_inputs: 2 });
  await expect(embedded).rejects.toMatchObject({ kind, message: expect.stringMatching(says) as string });
});

const GOOD = { url: "https://host/e", model: "m", body: { in: "{{texts}}" }, vectors: "e", max_inputs: 2 };

test.each([
  ["{", /template.json is no JSON\.$/],
  [{ ...GOOD, vektors: "e" }, /Unrecognized key: "vektors"/],
  [{ ...GOOD, url: "https://{{env:HOST}}/e" }, /url: expected a URL with a plain host/],
  [{ ...GOOD, vectors: "e..f" }, /vectors: expected a path such as "data\[\]\.embedding"/],
  [
    { ...GOOD, body: { in: "{{texts}}", m: "{{modell}}" } },
    /unknown placeholder \{\{modell\}\}; known are \{\{texts\}\}/,
  ],
  [{ ...GOOD, body: { in: "" } }, /the body needs \{\{texts\}\} or \{\{text\}\}/],
  [{ ...GOOD, body: { in: "these: {{texts}}" } }, /"\{\{texts\}\}" must be a value of its own/],
  [{ ...GOOD, body: { in: "{{text}}" } }, /so max_inputs must be 1/],
  [{ ...GOOD, max_inputs: undefined }, /max_inputs is missing/],
  [{ ...GOOD, headers: { a: "{{texts}}" } }, /texts may stand in the body alone/],
  [{ ...GOOD, roles: { document: "d", query: "q" } }, /"roles" and \{\{role\}\} need one another/],
  [{ ...GOOD, headers: { role: "{{role}}" } }, /"roles" and \{\{role\}\} need one another/],
  [{ ...GOOD, url: 7, vectors: "" }, /has 2 errors: url: .*; vectors: /],
])("The template %j is refused with what is wrong in it", (template, says) => {
  expect(() => resolveProviderSettings(configOf(template))).toThrow(says);
});

test("A template that is not set, not there, or of a source with an address of its own is reported", () => {
  const settings = (environment: object, source = {}) =>
    resolveProviderSettings(readConfig({ EMBEDDING_BACKEND: "rest", ...environment }), {
      ...NO_OVERRIDES,
      settings: source,
    });
  expect(() => settings({})).toThrow("EMBED_REST_TEMPLATE is not set.");
  expect(() => settings({ EMBED_REST_TEMPLATE: "/nowhere.json" })).toThrow(
    "/nowhere.json cannot be read (ENOENT).",
  );
  expect(() => settings({ EMBED_REST_TEMPLATE: fileOf(GOOD) }, { base_url: "https://other" })).toThrow(
    "A source with the backend rest has no address of its own.",
  );
});
