import { z } from "zod";
import { SetupError } from "../errors.ts";
import type { Source } from "../sources/source.ts";

const count = z.int().min(1);

const OWN_SETTINGS = z.strictObject({
  /** Such as `https://api.voyageai.com/v1`, in the place of OPENAI_BASE_URL or OLLAMA_BASE_URL. */
  base_url: z.url({ protocol: /^https?$/ }).optional(),
  /** The environment's variable that holds the key. Whoever may write sources must not learn any other of its values. */
  api_key_env: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*_API_KEY$/, "expected a name that ends with _API_KEY")
    .optional(),
  requests_per_minute: count.optional(),
  tokens_per_minute: count.optional(),
  concurrency: count.max(64).optional(),
  batch_size: count.max(2048).optional(),
});

/** What `embedding_source.settings` may say; everything else follows the environment. */
export type SourceSettings = z.infer<typeof OWN_SETTINGS>;

/** @throws {SetupError} that names what is wrong in the settings of a source. */
export function sourceSettings(settings: Source["settings"]): SourceSettings {
  const parsed = OWN_SETTINGS.safeParse(settings);
  if (parsed.success) return parsed.data;
  throw new SetupError(
    `The source's settings have a fault: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}.`,
    `They may have: ${Object.keys(OWN_SETTINGS.shape).join(", ")}.`,
  );
}
