import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { hostedFields } from "../../src/providers/roles/hosted-fields.ts";
import { familyPrefixes } from "../../src/providers/roles/model-families.ts";

const SENTENCE = ["", "Represent this sentence for searching relevant passages: "];
const INSTRUCTION =
  "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";

test.each([
  ...[
    "nomic-embed-text",
    "nomic-embed-text:latest",
    "nomic-embed-text:137m-v1.5-fp16",
    "nomic-ai/nomic-embed-text-v1.5",
    "hf.co/nomic-ai/nomic-embed-text-v2-moe-GGUF:Q4_K_M",
    "registry.local:5000/models/nomic-embed-text:v1.5",
    "text-embedding-nomic-embed-text-v1.5@q8_0",
    "/models/nomic-embed-text-v1.5.Q8_0.gguf",
    "nomic-ai/modernbert-embed-base",
    "lightonai/modernbert-embed-large",
  ].map((model) => [model, "search_document: ", "search_query: "]),
  ...[
    "e5-small-v2",
    "intfloat/multilingual-e5-large",
    "jeffh/intfloat-multilingual-e5-large:f16",
    "text-embedding-multilingual-e5-base",
    "intfloat/E5_Large_v2",
  ].map((model) => [model, "passage: ", "query: "]),
  ...[
    "multilingual-e5-large-instruct",
    "intfloat/e5-mistral-7b-instruct",
    "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
  ].map((model) => [model, "", `${INSTRUCTION} `]),
  ...["qwen3-embedding:0.6b", "Qwen/Qwen3-Embedding-8B-GGUF:Q8_0"].map((model) => [model, "", INSTRUCTION]),
  ...["embeddinggemma:300m", "google/embeddinggemma-300m", "gemini-embedding-2"].map((model) => [
    model,
    "title: none | text: ",
    "task: search result | query: ",
  ]),
  ...["snowflake-arctic-embed:22m", "Snowflake/snowflake-arctic-embed-m-v1.5", "snowflake-arctic-embed"].map(
    (model) => [model, ...SENTENCE],
  ),
  ...["snowflake-arctic-embed2", "Snowflake/snowflake-arctic-embed-l-v2.0"].map((model) => [
    model,
    "",
    "query: ",
  ]),
  ...["BAAI/bge-small-en-v1.5", "bge-large:335m", "mxbai-embed-large:latest"].map((model) => [
    model,
    ...SENTENCE,
  ]),
  ...[
    "bge-m3",
    "BAAI/bge-large-zh-v1.5",
    "all-minilm:l6-v2",
    "text-embedding-3-small",
    "gte-large",
    "gemini-embedding-001",
    "nvidia/nv-embedqa-e5-v5",
    "universal-sentence-encoder-lite",
    "voyage-3.5",
    "mixedbread-ai/deepset-mxbai-embed-de-large-v1",
    "",
  ].map((model) => [model, "", ""]),
])("The model %s expects %j before a row's text and %j before a question", (model, document, query) => {
  expect(familyPrefixes(model)).toEqual({ document, query });
});

test.each([
  ["https://api.voyageai.com/v1", "voyage-3.5", { input_type: "document" }, { input_type: "query" }],
  [
    "https://api.jina.ai/v1",
    "jina-embeddings-v3",
    { task: "retrieval.passage" },
    { task: "retrieval.query" },
  ],
  [
    "https://api.jina.ai/v1",
    "jina-embeddings-v4",
    { task: "retrieval.passage" },
    { task: "retrieval.query" },
  ],
  [
    "https://integrate.api.nvidia.com/v1",
    "nvidia/nv-embedqa-e5-v5",
    { input_type: "passage" },
    { input_type: "query" },
  ],
])("%s is told the role of a text for %s by a field of the request", (url, model, document, query) => {
  expect(hostedFields(url, model)).toEqual({ document, query });
});

test.each([
  ["https://api.openai.com/v1", "text-embedding-3-small"],
  ["https://api.jina.ai/v1", "jina-embeddings-v2-base-en"],
  ["https://integrate.api.nvidia.com/v1", "nvidia/nv-embedqa-e5-v5-query"],
  ["https://api.voyageai.com.example.org/v1", "voyage-3.5"],
  ["http://127.0.0.1:8000/v1", "voyage-3.5"],
])("%s is not told the role of a text for %s", (url, model) => {
  expect(hostedFields(url, model)).toBeUndefined();
});

test("docs/providers.md says of each family what is put before its texts", () => {
  const page = readFileSync("docs/providers.md", "utf8").split("## Each text in its role")[1] ?? "";
  const [table = ""] = page.split("**Overruled**", 1);
  const rows = [...table.matchAll(/^\| (`.*?) +\| (.*?) +\| (.*?) +\|$/gm)].filter(
    ([row]) => !row.includes("---"),
  );
  expect(rows).toHaveLength(6);
  const written = (cell = ""): string =>
    cell === "nothing" ? "" : cell.slice(1, -1).replaceAll("\\|", "|").replaceAll("\\n", "\n");
  for (const [, names = "", document, query] of rows) {
    for (const [, name = ""] of names.matchAll(/`(.*?)`/g)) {
      const prefixes = familyPrefixes(name.replace("…", "base").replace(/e5$/, "e5-base"));
      expect([name, prefixes.document]).toEqual([name, written(document)]);
      const [start = "", end = ""] = written(query).split("…");
      expect([
        name,
        prefixes.query.startsWith(start),
        prefixes.query.trimEnd().endsWith(end.trimEnd()),
      ]).toEqual([name, true, true]);
    }
  }
});
