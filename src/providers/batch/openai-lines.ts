import type { RawVector } from "../raw-vector.ts";
import { at } from "../read-vectors.ts";
import { tokenCount } from "../token-count.ts";
import type { BatchLine } from "./batch-api.ts";
import { lineNumber, parsedLine } from "./line-name.ts";
import { refusesText } from "./read-batch.ts";

/** `{custom_id, response: {status_code, body: {data: [{embedding}], usage}}, error}`, of the output or the error file. */
export function readOpenAiLine(json: string): BatchLine {
  const value = parsedLine(json);
  const line = lineNumber(at(value, "custom_id"));
  if (line === undefined) return { kind: "missing" };
  const status = Number(at(value, "response", "status_code") ?? 0);
  const body = at(value, "response", "body");
  const vector = at(body, "data", "0", "embedding");
  if (status >= 200 && status <= 299 && (typeof vector === "string" || Array.isArray(vector))) {
    const usage = at(body, "usage");
    const tokens = tokenCount(at(usage, "total_tokens")) ?? tokenCount(at(usage, "prompt_tokens"));
    return { kind: "vector", line, vector: vector as RawVector, tokens };
  }
  return refusesText(status) ? { kind: "refused", line } : { kind: "missing" };
}
