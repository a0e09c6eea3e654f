import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readConfig, SETTING_NAMES } from "../../src/config.ts";
import { UsageError } from "../../src/errors.ts";
import { SOURCE_SETTINGS } from "../../src/providers/source-settings.ts";

const faultsOf = (environment: Record<string, string>): string => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error("expected the configuration to be refused");
};

test(".env.example documents every setting, in the order of config.ts, with its default", () => {
  const lines = readFileSync(".env.example", "utf8").split("\n");
  const documented = lines.flatMap((line) => /^# ([A-Z_]+)=(.*)$/.exec(line)?.slice(1, 3) ?? []);
  const names = documented.filter((_, i) => i % 2 === 0);
  expect(names).toEqual([...SETTING_NAMES]);

  const defaults = readConfig({}) as Readonly<Record<string, unknown>>;
  for (let i = 0; i < documented.length; i += 2) {
    const fallback = defaults[documented[i] ?? ""];
    if (typeof fallback === "string" || typeof fallback === "number")
      expect(`${documented[i] ?? ""}=${documented[i + 1] ?? ""}`).toBe(
        `${documented[i] ?? ""}=${String(fallback)}`,
      );
  }
});

test("Every fault of the configuration is reported at once, with what was expected and what came", () => {
  const message = faultsOf({
    EMBED_BATCH_SIZE: "many",
    EMBEDDING_BACKEND: "openia",
    DATABASE_URL: "mysql://root:hunter2@db/x",
  });
  expect(message).toContain('EMBED_BATCH_SIZE: expected a whole number from 1 to 2048, got "many"');
  expect(message).toContain(
    'EMBEDDING_BACKEND: expected one of local, llm_api, ollama, voyage, cohere, gemini, vertex, bedrock, transformers, rest, got "openia"',
  );
  expect(message).toContain("DATABASE_URL: expected a URL such as postgres://");
  expect(message).not.toContain("hunter2");
});

test.each([
  ["EMBEDDING_TIMEOUT", "timeout_ms"],
  ["EMBED_BATCH_SIZE", "batch_size"],
  ["EMBED_MAX_CONCURRENCY", "concurrency"],
] as const)("%s may be as much as a source's own %s in its place, and no more", (name, own) => {
  const most = SOURCE_SETTINGS.shape[own].unwrap().maxValue ?? 0;
  expect(readConfig({ [name]: String(most) })[name]).toBe(most);
  expect(faultsOf({ [name]: String(most + 1) })).toContain(`${name}: expected a whole number from`);
});

test("A misspelled setting is reported with the right name", () => {
  expect(faultsOf({ EMBED_BATCHSIZE: "64" })).toContain(
    "EMBED_BATCHSIZE: no such setting; did you mean EMBED_BATCH_SIZE?",
  );
  expect(faultsOf({ EMBEDDING_DIMENSIONS: "64" })).toContain("did you mean EMBEDDING_DIM");
});

test.each([
  "EMBEDDING_MODEL",
  "EMBEDDER_SERVICE_HOST",
  "EMBEDDER_PORT",
  "EMBED_MODEL",
  "EMBEDDINGS_URL",
  "EMBED_PORT_80_TCP",
])("The variable %s of another program is a warning", (name) => {
  const warn = vi.fn();
  readConfig({ [name]: "x" }, warn);
  // Nothing else, which `console.error` would print too.
  expect(warn.mock.calls).toEqual([[`${name}: no such setting of pg-autoembed; it is ignored`]]);
});

test.each([
  ["OPENAI_EMBED_MODL", "OPENAI_EMBED_MODEL"],
  ["OLLAMA_BASE_URI", "OLLAMA_BASE_URL"],
  ["VOYAGE_EMBED_MODL", "VOYAGE_EMBED_MODEL"],
  ["COHERE_APIKEY", "COHERE_API_KEY"],
  ["GEMINI_EMBED_MODELS", "GEMINI_EMBED_MODEL"],
  ["VERTEX_PROJ", "VERTEX_PROJECT"],
  ["BEDROCK_REGON", "BEDROCK_REGION"],
  ["AWS_BEARER_TOKEN_BEDROK", "AWS_BEARER_TOKEN_BEDROCK"],
  ["RERANK_MODELL", "RERANK_MODEL"],
  ["LISTEN_DATABASE_URI", "LISTEN_DATABASE_URL"],
  ["DATABASE_PASSWORD_CMD", "DATABASE_PASSWORD_COMMAND"],
])("The variable %s is probably %s: a warning says so", (name, meant) => {
  const warnings: string[] = [];
  const others = [
    "OPENAI_ORG_ID",
    "OLLAMA_HOST",
    "DATABASE_USER",
    "DATABASE_URL_TEST",
    "LISTEN_PID",
    "AWS_REGION",
  ];
  const given = Object.fromEntries([name, ...others].map((each) => [each, "x"]));
  readConfig(given, (warning) => warnings.push(warning));
  expect(warnings).toEqual([`${name}: no such setting; did you mean ${meant}?`]);
});

test("What is near to a setting that is given may be another program's: no warning", () => {
  const warnings: string[] = [];
  readConfig({ DATABASE_URL: "postgres://h/d", DATABASE_URI: "x", DATABASE_SSL: "true" }, (warning) =>
    warnings.push(warning),
  );
  expect(warnings).toEqual([]);
});

test.each([
  ["EMBEDDING_DAILY_TOKEN_BUDGET", "EMBED_DAILY_TOKEN_BUDGET"],
  ["EMBED_DIM", "EMBEDDING_DIM"],
  ["EMBED_MAX_CONN", "EMBED_MAX_CONNECTIONS"],
])("%s is reported as %s", (name, meant) => {
  expect(faultsOf({ [name]: "8" })).toContain(`${name}: no such setting; did you mean ${meant}?`);
});

test.each(["EMBED", "EMBEDDING", "EMBED_HTTP", "EMBED_BATCH", "OPENAI", "OLLAMA", "RERANK"])(
  "What Kubernetes tells of a service whose variables begin with %s is no setting, and no misspelled one",
  (service) => {
    const warnings: string[] = [];
    const config = readConfig(
      {
        [`${service}_SERVICE_HOST`]: "10.0.0.7",
        [`${service}_SERVICE_PORT`]: "80",
        [`${service}_SERVICE_PORT_HTTP`]: "80",
        [`${service}_PORT`]: "tcp://10.0.0.7:80",
        [`${service}_PORT_80_TCP`]: "tcp://10.0.0.7:80",
        [`${service}_PORT_80_TCP_PROTO`]: "tcp",
        [`${service}_PORT_80_TCP_PORT`]: "80",
        [`${service}_PORT_80_TCP_ADDR`]: "fd00::7",
      },
      (warning) => warnings.push(warning),
    );
    expect(config).toEqual(readConfig({}));
    expect(warnings).toEqual([]);
  },
);

test("A port of ours is a setting, whatever Kubernetes calls its own", () => {
  expect(readConfig({ EMBED_HTTP_PORT: "8080", EMBED_PORT: "5433" })).toMatchObject({
    EMBED_HTTP_PORT: 8080,
    EMBED_PORT: 5433,
  });
});

test("An empty setting counts as not set", () => {
  expect(readConfig({ EMBED_BATCH_SIZE: "", DATABASE_URL: "" })).toMatchObject({ EMBED_BATCH_SIZE: 64 });
});

test("The API key may be in a file, and a missing file is reported by its name", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "autoembed-")), "key");
  writeFileSync(file, "sk-from-file\n");
  expect(readConfig({ OPENAI_API_KEY_FILE: file }).OPENAI_API_KEY).toBe("sk-from-file");
  for (const [name, secret] of [
    ["DATABASE_URL", "postgres://listener:from-file@db/app"],
    ["LISTEN_DATABASE_URL", "postgres://listener:from-file@db/app"],
    ["EMBED_HTTP_TOKEN", "0123456789abcdef"],
  ] as const) {
    writeFileSync(file, `${secret}\n`);
    expect(readConfig({ [`${name}_FILE`]: file })[name]).toBe(secret);
  }
  writeFileSync(file, "mysql://root:hunter2@db/x");
  expect(faultsOf({ DATABASE_URL_FILE: file })).not.toContain("hunter2");
  expect(faultsOf({ OPENAI_API_KEY_FILE: "/nowhere/key" })).toContain("/nowhere/key (ENOENT)");
});

test("A file that cannot be read is reported together with all other faults, and without what follows from it", () => {
  const message = faultsOf({
    OPENAI_API_KEY_FILE: "/nowhere/key",
    EMBED_HTTP_TOKEN_FILE: "/nowhere/token",
    EMBED_HTTP_HOST: "0.0.0.0",
    EMBED_BATCHSIZE: "64",
  });
  expect(message.split("\n")).toEqual([
    "The configuration has 3 errors:",
    "  OPENAI_API_KEY_FILE: expected a file that this process may read, with the secret alone in it, got /nowhere/key (ENOENT)",
    "  EMBED_HTTP_TOKEN_FILE: expected a file that this process may read, with the secret alone in it, got /nowhere/token (ENOENT)",
    "  EMBED_BATCHSIZE: no such setting; did you mean EMBED_BATCH_SIZE?",
  ]);
});

test("A secret's file that is empty, or has more than the secret in it, is named, and nothing of it is repeated", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autoembed-"));
  const written = (name: string, contents: string): string => {
    writeFileSync(join(folder, name), contents);
    return join(folder, name);
  };
  const message = faultsOf({
    DATABASE_URL_FILE: written("url", "postgres://app@db/app\nhunter2"),
    OPENAI_API_KEY_FILE: written("key", "sk-hunter2\r\nhunter2\r\n"),
    EMBED_HTTP_TOKEN_FILE: written("token", " \n"),
  });
  expect(message.split("\n").slice(1)).toEqual([
    `  DATABASE_URL_FILE: expected a file with the secret alone in it, got ${folder}/url, which has several lines`,
    `  OPENAI_API_KEY_FILE: expected a file with the secret alone in it, got ${folder}/key, which has several lines`,
    `  EMBED_HTTP_TOKEN_FILE: expected a file with the secret alone in it, got ${folder}/token, which is empty`,
  ]);
});

test("openai is another name of the backend llm_api", () => {
  expect(readConfig({ EMBEDDING_BACKEND: "openai" }).EMBEDDING_BACKEND).toBe("llm_api");
});
