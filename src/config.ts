import { readFileSync } from "node:fs";
import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import { UsageError } from "./errors.ts";

const text = z.string().trim();
const url = (protocols: RegExp, example: string) =>
  text.refine((value) => URL.canParse(value) && protocols.test(new URL(value).protocol), {
    error: `expected a URL such as ${example}`,
  });
const whole = (min: number, max: number) =>
  text
    .regex(/^\d+$/, `expected a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, { error: `expected a whole number from ${min} to ${max}` })
        .max(max, { error: `expected a whole number from ${min} to ${max}` }),
    );
const decimal = text.regex(/^\d+(\.\d+)?$/, "expected a number such as 0.02").transform(Number);
const yesNo = z
  .enum(["true", "false"], { error: "expected true or false" })
  .transform((value) => value === "true");
const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `expected one of ${values.join(", ")}` });
const record = text.transform((value, context): Readonly<Record<string, unknown>> => {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(value));
  } catch {
    context.addIssue({ code: "custom", message: 'expected a JSON object such as {"name": "value"}' });
    return z.NEVER;
  }
});

/** The parameters of a connection string that name files. */
const TLS_FILES = ["sslrootcert", "sslcert", "sslkey"] as const;
const POSTGRES = url(/^postgres(ql)?:$/, "postgres://user@host:5432/database").superRefine(
  (value, context) => {
    const parameters = URL.canParse(value) ? new URL(value).searchParams : new URLSearchParams();
    for (const name of TLS_FILES) {
      const file = parameters.get(name) ?? "";
      const problem = file === "" ? undefined : whyUnreadable(file);
      if (problem !== undefined) {
        const message = `${name} should name a file that this process may read; ${file} cannot be read (${problem})`;
        context.addIssue({ code: "custom", message });
      }
    }
  },
);
const HTTP = url(/^https?:$/, "https://host/v1");

/** Every setting, in the order of `.env.example`; a test compares the two. Times are in milliseconds. */
const SETTINGS = z.object({
  DATABASE_URL: POSTGRES.optional(),
  LISTEN_DATABASE_URL: POSTGRES.optional(),

  EMBEDDING_BACKEND: oneOf(["local", "llm_api", "ollama"]).default("local"),
  EMBEDDING_DIM: whole(1, 16_000).optional(),
  EMBEDDING_TIMEOUT: whole(100, 600_000).default(30_000),

  OPENAI_BASE_URL: HTTP.default("https://api.openai.com/v1"),
  OPENAI_API_KEY: text.optional(),
  OPENAI_API_KEY_FILE: text.optional(),
  OPENAI_EMBED_MODEL: text.default("text-embedding-3-small"),
  OPENAI_EMBED_PATH: text.startsWith("/", "expected a path such as /embeddings").optional(),
  OPENAI_HEADERS: record.pipe(z.record(z.string(), z.string())).optional(),
  OPENAI_EXTRA_BODY: record.optional(),
  OPENAI_SEND_DIMENSIONS: yesNo.optional(),

  OLLAMA_BASE_URL: HTTP.default("http://127.0.0.1:11434"),
  OLLAMA_EMBED_MODEL: text.default("nomic-embed-text"),
  OLLAMA_KEEP_ALIVE: text.optional(),
  OLLAMA_OPTIONS: record.optional(),
  OLLAMA_TRUNCATE: yesNo.optional(),
  OLLAMA_SEND_DIMENSIONS: yesNo.optional(),

  EMBED_BATCH_SIZE: whole(1, 2_048).default(64),
  EMBED_MAX_CONCURRENCY: whole(1, 64).default(1),
  EMBED_MAX_RETRIES: whole(0, 20).default(5),
  EMBED_BACKOFF_MS: whole(1, 60_000).default(500),
  EMBED_REQUESTS_PER_MINUTE: whole(1, 1_000_000).optional(),
  EMBED_TOKENS_PER_MINUTE: whole(1, 1_000_000_000).optional(),
  EMBED_MAX_TEXT_CHARACTERS: whole(1, 100_000_000).optional(),
  EMBED_ON_TOO_LONG: oneOf(["fail", "truncate"]).default("fail"),
  EMBED_DAILY_TOKEN_BUDGET: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  EMBED_PRICE_PER_MILLION_TOKENS: decimal.optional(),
  EMBED_CA_FILE: text.optional(),

  EMBED_POLL_MS: whole(100, 3_600_000).default(5_000),
  EMBED_SHUTDOWN_MS: whole(0, 600_000).default(10_000),
  EMBED_LOG_LEVEL: oneOf(["error", "warn", "info", "debug", "silent"]).default("info"),
  EMBED_DATA_DIR: text.default("data"),
  EMBED_PORT: whole(0, 65_535).default(54_329),

  EMBED_HTTP_PORT: whole(0, 65_535).optional(),
  EMBED_HTTP_HOST: text.default("127.0.0.1"),
  EMBED_HTTP_TOKEN: text.min(16, "expected at least 16 characters").optional(),
});

/** The parsed and frozen settings. An empty value counts as not set. */
export type Config = Readonly<z.infer<typeof SETTINGS>>;

/** The names of all settings, in the order of `.env.example`. */
export const SETTING_NAMES: readonly string[] = Object.keys(SETTINGS.shape);

const SECRETS = new Set([
  "DATABASE_URL",
  "LISTEN_DATABASE_URL",
  "OPENAI_API_KEY",
  "OPENAI_HEADERS",
  "EMBED_HTTP_TOKEN",
]);
const OURS = /^EMBED/;

/**
 * Reads the settings from an environment.
 * @throws {UsageError} that lists every error at once: what was expected, what was given, and what to do.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""),
  );
  const problems = unknownNames(given);
  const parsed = SETTINGS.safeParse(given);
  if (!parsed.success) {
    problems.push(
      ...parsed.error.issues.map((issue) => {
        const name = String(issue.path[0]);
        const value = SECRETS.has(name) ? "a value that is not repeated here" : JSON.stringify(given[name]);
        return `${name}: ${issue.message}, got ${value}`;
      }),
    );
  } else if (!isLoopback(parsed.data.EMBED_HTTP_HOST) && parsed.data.EMBED_HTTP_TOKEN === undefined) {
    problems.push("EMBED_HTTP_TOKEN: must be set if EMBED_HTTP_HOST is not a loopback address");
  }
  if (!parsed.success || problems.length > 0) {
    throw new UsageError(
      `The configuration has ${problems.length === 1 ? "an error" : `${problems.length} errors`}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
      "Correct the environment or .env; .env.example explains every setting.",
    );
  }
  return Object.freeze({ ...parsed.data, ...keyFromFile(parsed.data) });
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(host);
}

/** Names that look like settings but are not: probably typing errors, which would otherwise go unnoticed. */
function unknownNames(given: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(given)
    .filter((name) => OURS.test(name) && !SETTING_NAMES.includes(name))
    .map((name) => {
      const longer = SETTING_NAMES.find((known) => name.startsWith(known) || known.startsWith(name));
      const nearest = longer ?? closest(name, [...SETTING_NAMES]);
      return distance(name, nearest) <= name.length / 2
        ? `${name}: no such setting; did you mean ${nearest}?`
        : `${name}: no such setting`;
    });
}

function whyUnreadable(file: string): string | undefined {
  try {
    readFileSync(file);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

function keyFromFile(settings: Config): Partial<Config> {
  if (settings.OPENAI_API_KEY_FILE === undefined) return {};
  try {
    return { OPENAI_API_KEY: readFileSync(settings.OPENAI_API_KEY_FILE, "utf8").trim() };
  } catch (error) {
    throw new UsageError(
      `OPENAI_API_KEY_FILE: cannot read ${settings.OPENAI_API_KEY_FILE} (${(error as NodeJS.ErrnoException).code ?? "unknown"})`,
      "Name a file that this process may read, with the key alone in it.",
      { cause: error },
    );
  }
}
