import type { PerRole } from "./role.ts";

interface ModelFamily {
  /** In a model's name without registry, tag and file ending, in lower case, with `-` for `_`. */
  readonly name: RegExp;
  readonly prefixes: PerRole<string>;
}

const SEARCH = { document: "search_document: ", query: "search_query: " };
const PASSAGE = { document: "passage: ", query: "query: " };
const TITLE = { document: "title: none | text: ", query: "task: search result | query: " };
const SENTENCE = { document: "", query: "Represent this sentence for searching relevant passages: " };
const INSTRUCTION =
  "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";

/**
 * What a model was trained to see before each text, by its card. The first family that matches counts. A model that is not
 * here gets its texts as they are, as `bge-m3`, `all-minilm`, `text-embedding-3-*` and plain `gte-*` should.
 */
const FAMILIES: readonly ModelFamily[] = [
  { name: /\bnomic-embed-text\b/, prefixes: SEARCH },
  { name: /\bmodernbert-embed\b/, prefixes: SEARCH },
  { name: /\b(?:e5|gte)-.*instruct\b/, prefixes: { document: "", query: `${INSTRUCTION} ` } },
  { name: /\be5-(?:small|base|large)\b/, prefixes: PASSAGE },
  { name: /\bembedding-?gemma\b/, prefixes: TITLE },
  { name: /\bgemini-embedding-2\b/, prefixes: TITLE },
  // Unlike the other families with an instruction, no blank before the question.
  { name: /\bqwen3-embedding\b/, prefixes: { document: "", query: INSTRUCTION } },
  { name: /\barctic-embed(?:2\b|.*-v2\b)/, prefixes: { document: "", query: "query: " } },
  { name: /\barctic-embed\b/, prefixes: SENTENCE },
  // Ollama's library calls the English models by their size alone; the Chinese ones have another instruction.
  { name: /\bbge-(?:small|base|large)(?:-en\b|$)/, prefixes: SENTENCE },
  { name: /\bmxbai-embed-large\b/, prefixes: SENTENCE },
];

const NO_PREFIXES: PerRole<string> = { document: "", query: "" };

/**
 * The prefixes that a model of that name expects, both empty where it expects none or is not known. Registries, tags and
 * quantizations may be part of the name: `hf.co/nomic-ai/nomic-embed-text-v1.5-GGUF:Q4_K_M`.
 */
export function familyPrefixes(model: string): PerRole<string> {
  const [name = ""] = (model.split("/").at(-1) ?? "").split(/[:@]/);
  const plain = name.toLowerCase().replaceAll("_", "-");
  return FAMILIES.find((family) => family.name.test(plain))?.prefixes ?? NO_PREFIXES;
}
