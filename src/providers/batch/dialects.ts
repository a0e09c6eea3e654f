import { at } from "../read-vectors.ts";
import type { Fields } from "../roles/role.ts";
import type { BatchProgress } from "./batch-api.ts";
import type { BatchDialect } from "./openai-batches.ts";
import { optionalText, reasonOf } from "./read-batch.ts";

/** A file is put together in memory before it is sent. OpenAI would take 200 MB. */
const BYTES = 64 * 1024 * 1024;
const ENDPOINT = "/v1/embeddings";

/**
 * @param body of a request, without its input
 * @param isCertain whether the address is OpenAI's own
 */
export function openAiDialect(body: Fields, isCertain: boolean): BatchDialect {
  return {
    priceFactor: 0.5,
    hours: 24,
    isCertain,
    // OpenAI takes 50,000 lines, and 50,000 inputs over all of them.
    limits: { lines: 50_000, bytes: BYTES },
    jobs: "/batches",
    latestFiles: "purpose=batch&order=desc&limit=100",
    latestJobs: "limit=100",
    line: (text) => ({ method: "POST", url: ENDPOINT, body: { ...body, input: [text] } }),
    job: (file, tag) => ({
      input_file_id: file,
      endpoint: ENDPOINT,
      completion_window: "24h",
      metadata: { autoembed: tag },
    }),
    progress: openAiProgress,
  };
}

/** Model and parameters are the batch's, and not the line's. */
export function voyageDialect(body: Fields): BatchDialect {
  return {
    ...openAiDialect(body, true),
    priceFactor: 0.67,
    hours: 12,
    limits: { lines: 100_000, bytes: BYTES },
    line: (text) => ({ body: { input: [text] } }),
    job: (file, tag) => ({
      input_file_id: file,
      endpoint: ENDPOINT,
      completion_window: "12h",
      request_params: body,
      metadata: { autoembed: tag },
    }),
  };
}

/** Jobs of its own, with the model in the job. */
export function mistralDialect({ model, ...body }: Fields): BatchDialect {
  return {
    ...openAiDialect(body, true),
    jobs: "/batch/jobs",
    latestFiles: "purpose=batch&page_size=100",
    latestJobs: "page_size=100",
    line: (text) => ({ body: { ...body, input: [text] } }),
    job: (file, tag) => ({
      input_files: [file],
      model,
      endpoint: ENDPOINT,
      timeout_hours: 24,
      metadata: { autoembed: tag },
    }),
    progress: mistralProgress,
  };
}

function openAiProgress(job: unknown): BatchProgress {
  const status = at(job, "status");
  if (status === "failed") {
    const code = at(job, "errors", "data", "0", "code");
    const isQuota = typeof code === "string" && /token_limit|quota|rate_limit/.test(code);
    return { kind: "failed", reason: reasonOf(code), isQuota };
  }
  if (status === "completed" || status === "expired" || status === "cancelled") return ended(job, "_id");
  const expires = Number(at(job, "expires_at") ?? NaN);
  return { kind: "running", expiresAt: Number.isFinite(expires) ? new Date(expires * 1000) : undefined };
}

function mistralProgress(job: unknown): BatchProgress {
  const status = at(job, "status");
  if (status === "FAILED")
    return { kind: "failed", reason: reasonOf(at(job, "errors", "0", "code")), isQuota: false };
  const isEnded = status === "SUCCESS" || status === "TIMEOUT_EXCEEDED" || status === "CANCELLED";
  return isEnded ? ended(job, "") : { kind: "running", expiresAt: undefined };
}

function ended(job: unknown, suffix: "" | "_id"): BatchProgress {
  return {
    kind: "ended",
    outputFile: optionalText(job, `output_file${suffix}`),
    errorFile: optionalText(job, `error_file${suffix}`),
  };
}
