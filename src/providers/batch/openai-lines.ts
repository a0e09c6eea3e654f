import type { RawVector } from "../raw-vector.ts";
import { at } from "../read-vectors.ts";
import { tokenCount } from "../token-count.ts";
import type { BatchLine } from "./batch-api.ts";
import { refusesText } from "./read-batch.ts";

/** What a line is called: its number alone. */
export function lineNumber(line: number): string {
  return `line-${line}`;
}

/** The number of a line by its name; undefined for another name. */
function numberOf(name: unknown): number | undefined {
  const [, digits] = /^line-(\d{1,9})$/.exec(typeof name === "string" ? name : "") ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** `{custom_id, response: {status_code, body: {data: [{embedding}], usage}}, error}`, of the output or the error file. */
export function readOpenAiLine(json: string): BatchLine {
  const value = parsed(json);
  const line = numberOf(at(value, "custom_id"));
  if (line === undefined) return { kind: "missing" };
  const status = Number(at(value, "response", "status_code") ?? 0);
  const body = at(value, "response", "body");
  const vector = at(body, "data", "0", "embedding");
  if (status >= 200 && status <= 299 && (typeof vector === "string" || Array.isArray(vector))) {
    const usage = at(body, "usage");
    const tokens = tokenCount(at(usage, "total_tokens")) ?? tokenCount(at(usage, "prompt_tokens")) ?? 0;
    return { kind: "vector", line, vector: vector as RawVector, tokens };
  }
  return refusesText(status) ? { kind: "refused", line } : { kind: "missing" };
}

/** A broken line is one that is not there. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
