import { z } from "zod";
import { chunkSettings } from "../chunks/chunk-settings.ts";
import { MOST_DIMENSIONS } from "../database/pgvector.ts";
import { SetupError, UsageError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { BACKEND_IDS, backendIdOf } from "../providers/known-backends.ts";
import { SOURCE_SETTINGS } from "../providers/source-settings.ts";
import { MEMORY } from "../search/build-memory.ts";
import type { DeclaredSource } from "./declared-source.ts";
import { hasUser } from "./without-user.ts";

const SECRET = /key|token|secret|password|header/i;

const name = z.string().min(1);
const SOURCE = z.strictObject({
  table: name,
  text: name.optional(),
  columns: z.array(name).min(1).optional(),
  key: z.union([name, z.array(name).min(1)]).optional(),
  vector: name.optional(),
  into: name.optional(),
  chunk: z.int().optional(),
  overlap: z.int().optional(),
  unit: z.enum(["characters", "tokens"]).optional(),
  tenant: name.optional(),
  type: z.enum(["vector", "halfvec"]).optional(),
  name: name.optional(),
  backend: z
    .string()
    .refine((given) => backendIdOf(given) !== undefined, {
      error: `expected one of ${BACKEND_IDS.join(", ")}`,
    })
    .optional(),
  model: name.optional(),
  dimensions: z.int().min(1).max(MOST_DIMENSIONS).optional(),
  settings: SOURCE_SETTINGS.optional(),
  index: z
    .union([z.boolean(), z.strictObject({ memory: z.string().regex(MEMORY) })], {
      error: 'expected true, false or { memory: "2GB" }',
    })
    .optional(),
});
const CONFIG = z.strictObject({ sources: z.array(SOURCE) });

/** The fields that there are at a place of the file, by the last name of the path to it. */
const FIELDS = new Map<unknown, readonly string[]>([
  ["settings", Object.keys(SOURCE_SETTINGS.shape)],
  ["index", ["memory"]],
]);

/**
 * Checks the contents of a configuration file.
 * @param file its name, for messages
 * @throws {UsageError} that lists every error at once; no value is repeated, since it may be a secret
 */
export function parseDeclared(contents: unknown, file: string): readonly DeclaredSource[] {
  const parsed = CONFIG.safeParse(contents);
  const problems = parsed.success
    ? parsed.data.sources.flatMap((source, i) =>
        problemsIn(source).map((problem) => `${placeOf(["sources", i], contents)}: ${problem}`),
      )
    : parsed.error.issues.flatMap((issue) => describeIssue(issue, contents));
  if (parsed.success && problems.length === 0) return parsed.data.sources as readonly DeclaredSource[];
  throw new UsageError(
    `${file} has ${problems.length === 1 ? "an error" : `${problems.length} errors`}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    "docs/sources.md explains every field.",
  );
}

/** What the shape alone does not show. */
function problemsIn({
  text,
  columns,
  chunk,
  overlap,
  unit,
  into,
  settings,
}: z.infer<typeof SOURCE>): string[] {
  const problems: string[] = [];
  if ((text === undefined) === (columns === undefined))
    problems.push('name the text, either as text: "body" or as columns: ["title", "body"]');
  if (chunk === undefined && (overlap !== undefined || unit !== undefined))
    problems.push("overlap and unit need chunk, such as chunk: 800");
  if (chunk !== undefined && into === undefined)
    problems.push('chunk needs a table for the chunks, such as into: "documents_chunks"');
  if (chunk !== undefined) problems.push(...problemsOfChunks({ chunk, overlap, unit }));
  if (settings?.base_url !== undefined && hasUser(settings.base_url))
    problems.push("settings.base_url has a user or a password in it: name the key's variable as api_key_env");
  return problems;
}

function problemsOfChunks(options: Parameters<typeof chunkSettings>[0]): string[] {
  try {
    chunkSettings(options);
    return [];
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return [error.message.replaceAll("--", "")];
  }
}

function describeIssue(issue: z.core.$ZodIssue, contents: unknown): string[] {
  const place = placeOf(issue.path, contents);
  if (issue.code !== "unrecognized_keys") return [`${place}: ${issue.message.toLowerCase()}`];
  const last = issue.path.at(-1);
  const known = FIELDS.get(last) ?? Object.keys(issue.path.length === 0 ? CONFIG.shape : SOURCE.shape);
  return issue.keys.map((key) => {
    const nearest = nearestName(key, known);
    const meant = nearest === undefined ? `there are ${known.join(", ")}` : `did you mean ${nearest}?`;
    // A misspelt name begins as the right one does: `keys`, and not `apikey`, is meant to be `key`.
    const isSecret = SECRET.test(key) && (nearest === "api_key_env" || nearest?.[0] !== key[0]);
    const hint = isSecret
      ? "secrets do not belong into this file: put the key into a variable whose name ends with _API_KEY, and name that in settings: { api_key_env }"
      : meant;
    return `${place === "" ? "" : `${place}: `}${key}: no such field; ${hint}`;
  });
}

/** Such as `sources[0] (tickets), settings.base_url`. */
function placeOf(path: readonly PropertyKey[], contents: unknown): string {
  const [list, index, ...rest] = path;
  if (list !== "sources" || typeof index !== "number") return path.join(".");
  const source = (contents as { sources: unknown[] }).sources[index];
  const { name: given, table } = Object(source) as { name?: unknown; table?: unknown };
  const called = [given, table].find((value) => typeof value === "string");
  return [
    `sources[${index}]${called === undefined ? "" : ` (${called})`}`,
    ...(rest.length === 0 ? [] : [rest.join(".")]),
  ].join(", ");
}
