import { at } from "../read-vectors.ts";
import type { RawVector } from "../raw-vector.ts";
import { tokenCount } from "../token-count.ts";
import type { BatchLine, BatchProgress } from "./batch-api.ts";
import { lineNumber, parsedLine } from "./line-name.ts";
import { optionalText, reasonOf, refusesText } from "./read-batch.ts";

/** Google's code of "too much was asked for". */
const RESOURCE_EXHAUSTED = 8;

/** Google's codes for what is wrong with the request itself: INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE. */
const REFUSES_TEXT = [3, 9, 11];

/** `{name, done, metadata: {state}, response or output: {responsesFile}, error: {code}}`; states begin with `BATCH_STATE_`. */
export function geminiProgress(job: unknown): BatchProgress {
  const named = at(job, "metadata", "state") ?? at(job, "state");
  const state = typeof named === "string" ? named.replace(/^(BATCH|JOB)_STATE_/, "") : "";
  const isOver = state === "SUCCEEDED" || state === "CANCELLED" || state === "EXPIRED";
  if (state === "FAILED" || (at(job, "done") === true && at(job, "error") !== undefined && !isOver)) {
    const code = at(job, "error", "code") ?? at(job, "metadata", "error", "code");
    const status = at(job, "error", "status");
    const isQuota = code === RESOURCE_EXHAUSTED || code === 429 || status === "RESOURCE_EXHAUSTED";
    const reason = isQuota ? "RESOURCE_EXHAUSTED" : typeof code === "number" ? `code-${code}` : status;
    return { kind: "failed", reason: reasonOf(reason), isQuota };
  }
  if (!isOver && at(job, "done") !== true) return { kind: "running", expiresAt: undefined };
  const places = [["output"], ["response"], ["response", "output"], ["metadata", "output"]];
  const outputFile = places
    .map((names) => optionalText(job, ...names, "responsesFile"))
    .find((file) => file !== undefined);
  return { kind: "ended", outputFile, errorFile: undefined };
}

/** `{key, response: {embedding: {values}}}`; an error is next to the response, or in its place, or in it. */
export function readGeminiLine(json: string): BatchLine {
  const value = parsedLine(json);
  const line = lineNumber(at(value, "key"));
  if (line === undefined) return { kind: "missing" };
  const response = at(value, "response");
  const vector = at(response, "embedding", "values");
  if (Array.isArray(vector)) {
    const tokens =
      tokenCount(at(response, "usageMetadata", "promptTokenCount")) ?? tokenCount(at(response, "tokenCount"));
    return { kind: "vector", line, vector: vector as RawVector, tokens };
  }
  const code = Number(at(response, "error", "code") ?? at(value, "error", "code") ?? 0);
  return REFUSES_TEXT.includes(code) || refusesText(code) ? { kind: "refused", line } : { kind: "missing" };
}
