import { readFileSync } from "node:fs";
import { z } from "zod";
import { FEWEST_CONNECTIONS, FEWEST_WITH_PAGE } from "./database/connection-shares.ts";
import { connectionStringProblem, hasPassword, plainConnectionString } from "./database/connection-url.ts";
import { PASSWORD_COMMAND, setPasswordSource } from "./database/password-source.ts";
import { MOST_DIMENSIONS } from "./database/pgvector.ts";
import { UsageError } from "./errors.ts";
import { misspelledSettings } from "./misspelled-settings.ts";
import { isOfKubernetes } from "./of-kubernetes.ts";
import {
  BACKEND_ENVIRONMENT,
  BACKEND_IDS,
  BACKEND_SECRETS,
  backendIdOf,
  DEFAULT_BACKEND,
} from "./providers/known-backends.ts";
import { rerankPrice } from "./providers/prices/rerank-price.ts";
import { RERANK_ENVIRONMENT, RERANK_SECRETS, rerankProblem } from "./providers/rerank/rerank-settings.ts";
import { LONGEST_TIMEOUT_MS, MOST_REQUESTS, MOST_TEXTS } from "./providers/source-settings.ts";
import { asItIs, budget, decimal, oneOf, text, whole } from "./setting-types.ts";

const POSTGRES = text
  .superRefine((value, context) => {
    const message = connectionStringProblem(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  })
  .transform(plainConnectionString);

/** Every setting, in the order of `.env.example`; a test compares the two. Times are in milliseconds. */
const SETTINGS = z.object({
  DATABASE_URL: POSTGRES.optional(),
  DATABASE_URL_FILE: text.optional(),
  LISTEN_DATABASE_URL: POSTGRES.optional(),
  LISTEN_DATABASE_URL_FILE: text.optional(),
  EMBED_MCP_DATABASE_URL: POSTGRES.optional(),
  EMBED_MCP_DATABASE_URL_FILE: text.optional(),
  DATABASE_PASSWORD_COMMAND: text.optional(),

  EMBEDDING_BACKEND: text
    .transform((name) => backendIdOf(name) ?? name)
    .pipe(oneOf(BACKEND_IDS))
    .default(DEFAULT_BACKEND),
  EMBEDDING_DIM: whole(1, MOST_DIMENSIONS).optional(),
  EMBEDDING_TIMEOUT: whole(100, LONGEST_TIMEOUT_MS).default(30_000),
  EMBED_DOCUMENT_PREFIX: asItIs.optional(),
  EMBED_QUERY_PREFIX: asItIs.optional(),

  ...BACKEND_ENVIRONMENT,

  EMBED_BATCH_SIZE: whole(1, MOST_TEXTS).default(64),
  EMBED_BATCH_API_TEXTS: whole(1, 100_000).default(50_000),
  EMBED_MAX_CONCURRENCY: whole(1, MOST_REQUESTS).default(1),
  EMBED_MAX_RETRIES: whole(0, 20).default(5),
  EMBED_BACKOFF_MS: whole(1, 60_000).default(500),
  EMBED_REQUESTS_PER_MINUTE: whole(1, 1_000_000).optional(),
  EMBED_TOKENS_PER_MINUTE: whole(1, 1_000_000_000).optional(),
  EMBED_MAX_TEXT_CHARACTERS: whole(1, 100_000_000).optional(),
  EMBED_ON_TOO_LONG: oneOf(["fail", "truncate"]).default("fail"),
  EMBED_DAILY_BUDGET: budget.optional(),
  EMBED_DAILY_TOKEN_BUDGET: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  EMBED_PRICE_PER_MILLION_TOKENS: decimal.optional(),
  EMBED_CA_FILE: text.optional(),

  ...RERANK_ENVIRONMENT,

  EMBED_POLL_MS: whole(100, 3_600_000).default(5_000),
  EMBED_IDLE: oneOf(["poll", "sleep"]).default("poll"),
  EMBED_MAX_CONNECTIONS: whole(FEWEST_CONNECTIONS, 1_000).optional(),
  EMBED_CACHE_DAYS: whole(0, 36_500).default(30),
  EMBED_SHUTDOWN_MS: whole(0, 600_000).default(10_000),
  EMBED_LOG_LEVEL: oneOf(["error", "warn", "info", "debug", "silent"]).default("info"),
  EMBED_DATA_DIR: text.default("data"),
  EMBED_PORT: whole(0, 65_535).default(54_329),

  EMBED_HTTP_PORT: whole(0, 65_535).optional(),
  EMBED_HTTP_HOST: text.default("127.0.0.1"),
  EMBED_HTTP_TOKEN: text.min(16, "expected at least 16 characters").optional(),
  EMBED_HTTP_TOKEN_FILE: text.optional(),
});

/** The parsed and frozen settings. An empty value counts as not set, except that of a prefix. */
export type Config = Readonly<z.infer<typeof SETTINGS>>;

/** The names of all settings, in the order of `.env.example`. */
export const SETTING_NAMES: readonly string[] = Object.keys(SETTINGS.shape);

/** The settings that name the database, each with an address of its own. */
export const ADDRESSES = ["DATABASE_URL", "LISTEN_DATABASE_URL", "EMBED_MCP_DATABASE_URL"] as const;

const SECRETS = new Set<string>([...ADDRESSES, ...BACKEND_SECRETS, ...RERANK_SECRETS, "EMBED_HTTP_TOKEN"]);
/** Settings whose empty value says something: nothing is put before a text, whatever its model expects. */
const MAY_BE_EMPTY = new Set(["EMBED_DOCUMENT_PREFIX", "EMBED_QUERY_PREFIX"]);

/**
 * Reads the settings from an environment.
 * @param onWarning receives what may be a typing error, and may be meant for another program
 * @throws {UsageError} that lists every error at once: what was expected, what was given, and what to do.
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  onWarning: (warning: string) => void = () => undefined,
): Config {
  const unreadable: string[] = [];
  const given = withSecretsFromFiles(
    Object.fromEntries(
      Object.entries(environment).filter(
        ([name, value]) =>
          value !== undefined && (value !== "" || MAY_BE_EMPTY.has(name)) && !isOfKubernetes(name, value),
      ),
    ),
    (problem) => unreadable.push(problem),
  );
  const { problems: misspelled, warnings } = misspelledSettings(Object.keys(given), SETTING_NAMES);
  for (const warning of warnings) onWarning(warning);
  const problems = [...unreadable, ...misspelled];
  const parsed = SETTINGS.safeParse(given);
  if (!parsed.success) {
    problems.push(
      ...parsed.error.issues.map((issue) => {
        const name = String(issue.path[0]);
        const value = SECRETS.has(name) ? "a value that is not repeated here" : JSON.stringify(given[name]);
        return `${name}: ${issue.message}, got ${value}`;
      }),
    );
  } else if (unreadable.length === 0) problems.push(...contradictions(parsed.data));
  if (!parsed.success || problems.length > 0) {
    throw new UsageError(
      `The configuration has ${problems.length === 1 ? "an error" : `${problems.length} errors`}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
      "Correct the environment or .env; .env.example explains every setting.",
    );
  }
  setPasswordSources(parsed.data);
  return Object.freeze(parsed.data);
}

/** What is right by itself, and wrong next to another setting. */
function contradictions(config: Config): string[] {
  const { EMBED_HTTP_PORT: port, EMBED_HTTP_HOST: host, EMBED_MAX_CONNECTIONS: most } = config;
  const problems: string[] = [];
  if (port !== undefined && most !== undefined && most < FEWEST_WITH_PAGE)
    problems.push(
      `EMBED_MAX_CONNECTIONS: expected at least ${FEWEST_WITH_PAGE} if EMBED_HTTP_PORT is set, got ${most}`,
    );
  if (!isLoopback(host) && config.EMBED_HTTP_TOKEN === undefined)
    problems.push("EMBED_HTTP_TOKEN: must be set if EMBED_HTTP_HOST is not a loopback address");
  if (config.DATABASE_PASSWORD_COMMAND !== undefined) {
    const problem = passwordCommandProblem(config.DATABASE_URL);
    if (problem !== undefined) problems.push(`${PASSWORD_COMMAND}: ${problem}`);
  }
  const rerank = rerankProblem(config);
  if (rerank !== undefined) problems.push(rerank);
  if (config.EMBED_DAILY_BUDGET?.unit === "money" && rerankPrice(config)?.isKnown === false)
    problems.push(
      "RERANK_PRICE_PER_MILLION_TOKENS or RERANK_PRICE_PER_REQUEST: must be set if EMBED_DAILY_BUDGET is money (0 where " +
        "the reranker is your own): the price of RERANK_MODEL is not known",
    );
  return problems;
}

function passwordCommandProblem(databaseUrl: string | undefined): string | undefined {
  if (databaseUrl === undefined) return "DATABASE_URL must be set, with the user and without a password";
  if (hasPassword(databaseUrl)) return "DATABASE_URL has a password too; leave one of the two out";
  if (/^postgres(ql)?:\/\//.test(databaseUrl)) return undefined;
  return "expected DATABASE_URL as postgres://user@host:5432/database";
}

/** What connections get from a command, and from a file that is rewritten, is asked for again when it was refused. */
function setPasswordSources(config: Config): void {
  for (const name of ADDRESSES) {
    const { [name]: databaseUrl, [`${name}_FILE` as const]: file, [PASSWORD_COMMAND]: command } = config;
    if (databaseUrl === undefined) continue;
    if (command !== undefined && !hasPassword(databaseUrl)) setPasswordSource(databaseUrl, { command });
    else if (file !== undefined) setPasswordSource(databaseUrl, { file });
  }
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(host);
}

/** A secret may be in a file instead, whose name another setting says. @param onProblem receives what cannot be read */
function withSecretsFromFiles(
  given: Readonly<Record<string, string | undefined>>,
  onProblem: (problem: string) => void,
): Readonly<Record<string, string | undefined>> {
  const secrets: Record<string, string> = {};
  for (const name of SECRETS) {
    const file = `${name}_FILE` in SETTINGS.shape ? given[`${name}_FILE`] : undefined;
    if (file === undefined) continue;
    try {
      const secret = readFileSync(file, "utf8").trim();
      if (secret !== "" && !/[\r\n]/.test(secret)) secrets[name] = secret;
      else
        onProblem(
          `${name}_FILE: expected a file with the secret alone in it, got ${file}, which ${secret === "" ? "is empty" : "has several lines"}`,
        );
    } catch (error) {
      const { code = "unknown" } = error as NodeJS.ErrnoException;
      onProblem(
        `${name}_FILE: expected a file that this process may read, with the secret alone in it, got ${file} (${code})`,
      );
    }
  }
  return { ...given, ...secrets };
}
