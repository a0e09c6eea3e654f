import { hostedAnswer, isHosted, understandHosted, type HostedName } from "./hosted-dialects.ts";
import { oracleVector } from "./oracle-vector.ts";
import { toBase64, type WireItem } from "./provider-faults.ts";

/** A request after parsing, the same for every protocol. */
export interface Asked {
  readonly dialect: "openai" | "ollama" | "old ollama" | HostedName;
  readonly model: string;
  readonly texts: readonly string[];
  readonly base64: boolean;
  readonly dimensions: number | undefined;
}

/** Reads a request by its path; undefined for a path that no provider has. */
export function understand(path: string, body: Readonly<Record<string, unknown>>): Asked | undefined {
  const hosted = understandHosted(path, body);
  if (hosted !== undefined) return hosted;
  const model = typeof body["model"] === "string" ? body["model"] : "";
  const dimensions = typeof body["dimensions"] === "number" ? body["dimensions"] : undefined;
  const input = body["input"] ?? body["prompt"] ?? [];
  const texts = (Array.isArray(input) ? input : [input]) as string[];
  const base64 = body["encoding_format"] === "base64";
  if (path.endsWith("/api/embed")) return { dialect: "ollama", model, texts, base64: false, dimensions };
  if (path.endsWith("/api/embeddings"))
    return { dialect: "old ollama", model, texts, base64: false, dimensions };
  if (path.endsWith("/embeddings")) return { dialect: "openai", model, texts, base64, dimensions };
  return undefined;
}

/** The right answer to each text. */
export function rightItems(asked: Asked, dimensions: number): WireItem[] {
  return asked.texts.map((text, index) => {
    const floats = oracleVector(text, asked.dimensions ?? dimensions);
    return { index, embedding: asked.base64 ? toBase64(floats) : Array.from(floats) };
  });
}

/** The body that the protocol wants around the vectors. */
export function answerBody(asked: Asked, items: readonly WireItem[], tokens: number): unknown {
  if (isHosted(asked.dialect)) {
    const vectors = items.map(({ embedding }) => embedding);
    return hostedAnswer(asked.dialect, vectors, tokens);
  }
  switch (asked.dialect) {
    case "openai":
      return {
        object: "list",
        data: items.map((item) => ({ object: "embedding", ...item })),
        model: asked.model,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
    case "ollama":
      return {
        model: asked.model,
        embeddings: items.map((item) => item.embedding),
        prompt_eval_count: tokens,
      };
    case "old ollama":
      return { embedding: items[0]?.embedding ?? [] };
  }
}

/** An error as the protocol words it. */
export function errorBody(asked: Asked | undefined, status: number, message: string): unknown {
  if (asked?.dialect !== "openai") return { error: message };
  const type =
    status === 429 ? "rate_limit_exceeded" : status < 500 ? "invalid_request_error" : "server_error";
  return { error: { message, type, param: null, code: null } };
}

/** About four characters per token, as in English. */
export function countTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.max(1, Math.ceil(text.length / 4)), 0);
}
