import type { Asked } from "./provider-dialects.ts";

type Body = Readonly<Record<string, unknown>>;

interface HostedDialect {
  readonly path: RegExp;
  readonly textsOf: (body: Body) => readonly unknown[];
  readonly answer: (vectors: readonly unknown[], tokens: number) => unknown;
}

/** The requests and answers of hosted services, as their documentation has them. */
const HOSTED = {
  cohere: {
    path: /\/v2\/embed$/,
    textsOf: ({ texts }) => texts as unknown[],
    answer: (float, tokens) => ({
      id: "1",
      embeddings: { float },
      meta: { billed_units: { input_tokens: tokens } },
    }),
  },
  gemini: {
    path: /:batchEmbedContents$/,
    textsOf: ({ requests }) => (requests as { content: Content }[]).map(({ content }) => textOf(content)),
    answer: (vectors) => ({ embeddings: vectors.map((values) => ({ values })) }),
  },
  vertex: {
    path: /\/v1\/projects\/[\w-]+\/locations\/[\w-]+\/publishers\/google\/models\/[\w.-]+:predict$/,
    textsOf: ({ instances }) => (instances as { content: string }[]).map(({ content }) => content),
    answer: (vectors, tokens) => ({
      predictions: vectors.map((values, i) => ({
        embeddings: { values, statistics: { token_count: i === 0 ? tokens : 0, truncated: false } },
      })),
    }),
  },
  "vertex content": {
    path: /\/models\/gemini-embedding-2:embedContent$/,
    textsOf: ({ content }) => [textOf(content as Content)],
    answer: ([values], tokens) => ({
      embedding: { values },
      usageMetadata: { promptTokenCount: tokens },
      truncated: false,
    }),
  },
  titan: {
    path: /\/model\/amazon\.titan-[\w.%-]+\/invoke$/,
    textsOf: ({ inputText }) => [inputText],
    answer: ([embedding], tokens) => ({ embedding, inputTextTokenCount: tokens }),
  },
  "bedrock cohere": {
    path: /\/model\/(us\.)?cohere\.embed-[\w.%-]+v3\/invoke$/,
    textsOf: ({ texts }) => texts as unknown[],
    answer: (embeddings) => ({ id: "1", embeddings, response_type: "embeddings_floats" }),
  },
  "bedrock cohere v4": {
    path: /\/model\/(us\.)?cohere\.embed-v4%3A0\/invoke$/,
    textsOf: ({ texts }) => texts as unknown[],
    answer: (float) => ({ id: "1", embeddings: { float }, response_type: "embeddings_by_type" }),
  },
} satisfies Readonly<Record<string, HostedDialect>>;

export type HostedName = keyof typeof HOSTED;

interface Content {
  readonly parts: readonly { readonly text: string }[];
}

/** Several parts would be one text, with one vector. */
function textOf({ parts }: Content): string {
  return parts.map(({ text }) => text).join(" ");
}

export function isHosted(dialect: string): dialect is HostedName {
  return Object.hasOwn(HOSTED, dialect);
}

/** Reads a request of a hosted service by its path. */
export function understandHosted(path: string, body: Body): Asked | undefined {
  const known = Object.entries(HOSTED).find(([, dialect]) => dialect.path.test(path));
  if (known === undefined) return undefined;
  const [name, dialect] = known as [HostedName, HostedDialect];
  const texts = dialect.textsOf(body) as string[];
  return { dialect: name, model: "", texts, base64: false, dimensions: undefined };
}

export function hostedAnswer(name: HostedName, vectors: readonly unknown[], tokens: number): unknown {
  return (HOSTED[name] as HostedDialect).answer(vectors, tokens);
}
