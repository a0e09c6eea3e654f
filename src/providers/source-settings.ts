import { z } from "zod";
import { SetupError } from "../errors.ts";
import { BACKEND_SOURCE_SETTINGS } from "./known-backends.ts";

/** Limits of `EMBED_MAX_CONCURRENCY`, `EMBED_BATCH_SIZE` and `EMBEDDING_TIMEOUT` too, in whose place a source's own stand. */
export const MOST_REQUESTS = 64;
export const MOST_TEXTS = 2_048;
export const LONGEST_TIMEOUT_MS = 3_600_000;

const count = z.int().min(1);

/** Of the settings, as they are checked wherever they are given. */
export const SOURCE_SETTINGS = z.strictObject({
  ...BACKEND_SOURCE_SETTINGS,
  requests_per_minute: count.optional(),
  tokens_per_minute: count.optional(),
  concurrency: count.max(MOST_REQUESTS).optional(),
  batch_size: count.max(MOST_TEXTS).optional(),
  document_prefix: z.string().optional(),
  query_prefix: z.string().optional(),
  /** Of one request, in milliseconds. */
  timeout_ms: count.max(LONGEST_TIMEOUT_MS).optional(),
  max_text_characters: count.optional(),
  on_too_long: z.enum(["fail", "truncate"]).optional(),
  /** Its share where sources with equal settings take turns: twice as much as one of 1, which is the default. */
  weight: count.max(100).optional(),
  /** Of its model, in place of EMBED_PRICE_PER_MILLION_TOKENS and of the list price. */
  price_per_million_tokens: z.number().min(0).optional(),
});

/** What `embedding_source.settings` may say; everything else follows the environment. */
export type SourceSettings = z.infer<typeof SOURCE_SETTINGS>;

/** What becomes of a text of the source that is longer than its model takes. */
export function onTooLong(
  config: { readonly EMBED_ON_TOO_LONG: "fail" | "truncate" },
  { settings }: { readonly settings: Readonly<Record<string, unknown>> },
): "fail" | "truncate" {
  return sourceSettings(settings).on_too_long ?? config.EMBED_ON_TOO_LONG;
}

/** @throws {SetupError} that names what is wrong in the settings of a source. */
export function sourceSettings(settings: Readonly<Record<string, unknown>>): SourceSettings {
  const parsed = SOURCE_SETTINGS.safeParse(settings);
  if (parsed.success) return parsed.data;
  throw new SetupError(
    `The source's settings have a fault: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}.`,
    `They may have: ${Object.keys(SOURCE_SETTINGS.shape).join(", ")}.`,
  );
}
