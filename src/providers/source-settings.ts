import { z } from "zod";
import { SetupError } from "../errors.ts";
import { BACKEND_SOURCE_SETTINGS } from "./known-backends.ts";

const count = z.int().min(1);

const SOURCE_SETTINGS = z.strictObject({
  ...BACKEND_SOURCE_SETTINGS,
  requests_per_minute: count.optional(),
  tokens_per_minute: count.optional(),
  concurrency: count.max(64).optional(),
  batch_size: count.max(2048).optional(),
  document_prefix: z.string().optional(),
  query_prefix: z.string().optional(),
});

/** What `embedding_source.settings` may say; everything else follows the environment. */
export type SourceSettings = z.infer<typeof SOURCE_SETTINGS>;

/** @throws {SetupError} that names what is wrong in the settings of a source. */
export function sourceSettings(settings: Readonly<Record<string, unknown>>): SourceSettings {
  const parsed = SOURCE_SETTINGS.safeParse(settings);
  if (parsed.success) return parsed.data;
  throw new SetupError(
    `The source's settings have a fault: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}.`,
    `They may have: ${Object.keys(SOURCE_SETTINGS.shape).join(", ")}.`,
  );
}
