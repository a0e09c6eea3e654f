import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import { itemsOf, startSpelledProvider } from "../support/spelled-provider.ts";

const DIMENSIONS = 8;
const never = new AbortController().signal;

/** Vertex as it answers to the tokens that are valid at the time. */
async function prepare(environment: (file: string) => Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), "autoembed-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, "token");
  const state = { valid: "token-1" };
  const server = await startSpelledProvider(({ headers, body }) => {
    if (headers.authorization !== `Bearer ${state.valid}`) {
      const message = `Request had invalid authentication credentials: ${String(headers.authorization)}`;
      return { status: 401, body: { error: { code: 401, message, status: "UNAUTHENTICATED" } } };
    }
    const texts = (body["instances"] as { content: string }[]).map(({ content }) => content);
    const vectors = itemsOf(texts, DIMENSIONS).map(({ embedding }) => embedding);
    return { body: { predictions: vectors.map((values) => ({ embeddings: { values } })) } };
  });
  onTestFinished(() => server.close());
  writeFileSync(file, "token-1\n");
  const config = readConfig({
    EMBEDDING_BACKEND: "vertex",
    VERTEX_PROJECT: "p",
    VERTEX_BASE_URL: server.url,
    ...environment(file),
  });
  return { server, state, file, config };
}

/** A command that prints the token, and counts how often it was asked to. */
function printing(file: string): string {
  return `echo asked >> '${file}.log'; cat '${file}'`;
}

test.each([
  ["in a file", (file: string) => ({ VERTEX_ACCESS_TOKEN_FILE: file })],
  ["printed by a command", (file: string) => ({ VERTEX_ACCESS_TOKEN_COMMAND: printing(file) })],
])(
  "A token %s is kept until it is refused, and is then read again once for all requests",
  async (_where, environment) => {
    const { server, state, file, config } = await prepare(environment);
    await withProvider(config, NO_OVERRIDES, { dimensions: DIMENSIONS }, async (provider) => {
      const embed = () => provider.embed(["a text"], "document", never);
      await embed();
      await embed();
      state.valid = "token-2";
      writeFileSync(file, "token-2\n");
      const answers = await Promise.all([embed(), embed(), embed()]);
      expect(answers).toHaveLength(3);
      await embed();
    });
    const tokens = server.requests.map(({ headers }) => headers.authorization?.replace("Bearer ", ""));
    expect(tokens.slice(0, 5)).toEqual(Array<string>(5).fill("token-1"));
    expect(tokens.slice(5)).toEqual(Array<string>(4).fill("token-2"));
    if ("VERTEX_ACCESS_TOKEN_COMMAND" in environment(file))
      expect(readFileSync(`${file}.log`, "utf8")).toBe("asked\nasked\n");
  },
);

test("A token that is still the same after a refusal is not sent a second time, and is not shown", async () => {
  const { server, state, config } = await prepare((file) => ({ VERTEX_ACCESS_TOKEN_FILE: file }));
  state.valid = "token-2";
  const embedded = withProvider(config, NO_OVERRIDES, { dimensions: DIMENSIONS }, (provider) =>
    provider.embed(["a text"], "document", never),
  );
  const error = await embedded.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  expect(error).toMatchObject({
    kind: "setup",
    message: expect.stringMatching(/answered 401.*Check VERTEX_ACCESS_TOKEN_FILE, and/) as string,
  });
  expect(error?.message).not.toContain("token-1");
  expect(server.requests).toHaveLength(1);
});

test.each([
  ["exit 3", "The command of VERTEX_ACCESS_TOKEN_COMMAND ended with exit code 3. Run it by hand to see why."],
  ["true", "VERTEX_ACCESS_TOKEN_COMMAND gives no token: expected one word without blanks, and got nothing."],
  [
    "echo secret-1 secret-2",
    "VERTEX_ACCESS_TOKEN_COMMAND gives no token: expected one word without blanks, and got something else, which is not repeated here.",
  ],
])("The command %j, which prints no token, is reported, and nothing is sent", async (command, message) => {
  const { server, config } = await prepare(() => ({ VERTEX_ACCESS_TOKEN_COMMAND: command }));
  const embedded = withProvider(config, NO_OVERRIDES, { dimensions: DIMENSIONS }, (provider) =>
    provider.embed(["a text"], "document", never),
  );
  await expect(embedded).rejects.toMatchObject({ kind: "setup", message });
  expect(server.requests).toHaveLength(0);
});

test("A source with a server of its own gets no token of the environment", async () => {
  const { config } = await prepare((file) => ({ VERTEX_ACCESS_TOKEN_FILE: file }));
  const { server: other } = await prepare(() => ({}));
  const source = { ...NO_OVERRIDES, settings: { base_url: other.url } };
  const embedded = withProvider(config, source, { dimensions: DIMENSIONS }, (provider) =>
    provider.embed(["a text"], "document", never),
  );
  await expect(embedded).rejects.toThrow(/No key was sent/);
  expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test("A server that speaks as OpenAI does is sent a token that expires in place of the key, as Azure wants it", async () => {
  const state = { valid: "token-1" };
  const server = await startSpelledProvider(({ headers, texts }) =>
    headers.authorization === `Bearer ${state.valid}`
      ? { body: { data: itemsOf(texts, DIMENSIONS) } }
      : { status: 401, body: { error: { message: `no access by ${String(headers.authorization)}` } } },
  );
  onTestFinished(() => server.close());
  const file = join(mkdtempSync(join(tmpdir(), "autoembed-")), "token");
  writeFileSync(file, "token-1\n");
  const config = readConfig({
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: server.url,
    OPENAI_API_KEY: "a-key",
    OPENAI_ACCESS_TOKEN_FILE: file,
  });
  await withProvider(config, NO_OVERRIDES, { dimensions: DIMENSIONS }, async (provider) => {
    const embed = () => provider.embed(["a text"], "document", never);
    await embed();
    state.valid = "token-2";
    writeFileSync(file, "token-2\n");
    await embed();
    state.valid = "token-3";
    await expect(embed()).rejects.toMatchObject({
      message: expect.stringMatching(/answered 401.*Check OPENAI_ACCESS_TOKEN_FILE, and/) as string,
    });
  });
  const tokens = server.requests.map(({ headers }) => headers.authorization?.replace("Bearer ", ""));
  expect(tokens).toEqual(["token-1", "token-1", "token-2", "token-2"]);
});
