import { z } from "zod";
import { defineBackend } from "../../src/providers/backend-definition.ts";
import type { CommonSettings } from "../../src/providers/provider-settings.ts";
import { text } from "../../src/setting-types.ts";

interface CountingSettings extends CommonSettings {
  readonly backend: "counting";
  readonly model: string;
  readonly key: string | undefined;
  readonly step: number;
}

/** A provider that is new, as one file in `backends/` would have it: the vector of a text is its length, times `step`. */
export const counting = defineBackend({
  id: "counting",
  environment: {
    COUNTING_KEY: text.startsWith("count-", "expected a key that begins with count-").optional(),
    COUNTING_KEY_FILE: text.optional(),
  },
  secrets: ["COUNTING_KEY"],
  ofSource: { step: z.int().optional() },
  dimensions: 1,
  resolve: ({ environment, source, model, common }): CountingSettings => ({
    ...common,
    backend: "counting",
    model: model ?? "by ones",
    key: environment.COUNTING_KEY,
    step: source.step ?? 1,
  }),
  open: ({ model, step }) => ({
    name: "counting",
    model,
    limits: { inputs: 10, characters: 1_000, textCharacters: 1_000 },
    ask: (texts) =>
      Promise.resolve({ vectors: texts.map(({ length }) => [length * step]), tokens: texts.length }),
    close: () => Promise.resolve(),
  }),
});
