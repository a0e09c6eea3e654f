import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { examineRoles } from "../../src/doctor/examine-roles.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import { runCommand } from "../support/command.ts";
import { prepare } from "../support/listening.ts";

const NOMIC = { EMBEDDING_BACKEND: "ollama" };

const examined = async (
  environment: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, unknown>> = {},
) => await examineRoles(readConfig(environment), { ...NO_OVERRIDES, name: "notes", settings });

test("A known model that gets no prefix in one role is a warning, with the setting that puts it there", async () => {
  expect(await examined({ ...NOMIC, EMBED_DOCUMENT_PREFIX: "" })).toEqual([
    {
      level: "warning",
      what: 'nomic-embed-text expects "search_document: " before each text of a row, and nothing is put there.',
      remedy:
        'Take EMBED_DOCUMENT_PREFIX out of the environment, or set EMBED_DOCUMENT_PREFIX="search_document: ". Then: npm run backfill -- --source notes',
    },
  ]);
  expect(await examined(NOMIC, { query_prefix: "" })).toEqual([
    {
      level: "warning",
      what: 'nomic-embed-text expects "search_query: " before each question, and nothing is put there.',
      remedy: 'Take query_prefix out of the source\'s settings, or set it to "search_query: ".',
    },
  ]);
});

test("A prefix that has lost the blank at its end is a warning", async () => {
  expect(await examined({ ...NOMIC, EMBED_QUERY_PREFIX: "search_query:" })).toEqual([
    expect.objectContaining({
      what: 'nomic-embed-text expects "search_query: " before each question, and "search_query:" is put there.',
    }),
  ]);
});

test("A model that gets what it expects, or a prefix of the user's choice, is no warning", async () => {
  expect(await examined(NOMIC)).toEqual([
    { level: "ok", what: 'it sends texts after "search_document: ", questions after "search_query: "' },
  ]);
  expect(await examined({ ...NOMIC, EMBED_QUERY_PREFIX: "clustering: " })).toMatchObject([{ level: "ok" }]);
  expect(await examined({ EMBEDDING_BACKEND: "local" })).toEqual([]);
});

test("A field by which questions are sent as texts of rows is a warning", async () => {
  const voyage = {
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: "https://api.voyageai.com/v1",
    OPENAI_EMBED_MODEL: "voyage-3.5",
  };
  expect(await examined({ ...voyage, OPENAI_EXTRA_BODY: '{"input_type": "document"}' })).toEqual([
    {
      level: "warning",
      what: 'questions are sent as texts of rows are, with {"input_type":"document"}.',
      remedy: expect.stringContaining("OPENAI_QUERY_EXTRA_BODY") as string,
    },
  ]);
  expect(await examined(voyage)).toMatchObject([{ level: "ok" }]);
});

test("`doctor` warns of a bare model, and that is no error", { timeout: 60_000 }, async () => {
  const { environment } = await prepare({
    OPENAI_EMBED_MODEL: "nomic-ai/nomic-embed-text-v1.5",
    EMBED_QUERY_PREFIX: "",
  });
  const doctor = runCommand(["doctor"], { ...environment, NO_COLOR: "1" });
  expect(await doctor.exited).toBe(0);
  expect(doctor.stdout()).toContain(
    'warning  patient_embeddings: nomic-ai/nomic-embed-text-v1.5 expects "search_query: " before each question',
  );
});
