import { oracleVector } from "./oracle-vector.ts";
import type { StandInBatch, StoredFile } from "./batch-server.ts";

/** What a request to the stand-in's batch API asks for. `id` is empty where none is named. */
export interface Call {
  readonly action: "upload" | "files" | "delete" | "content" | "create" | "batches" | "look" | "cancel";
  readonly id: string;
}

/** What a batch is asked for. */
interface AskedBatch {
  /** The id of a file. */
  readonly input: string;
  readonly tag: string;
}

/** How one service speaks: paths, files, lines and batches. Whatever it does not take, it throws for: that is a 400. */
export interface BatchWire {
  /** After the host, in the base URL. */
  readonly root: string;
  /** Undefined for a request that is none of the batch API. */
  call(method: string, path: string, query: string): Call | undefined;
  fileIn(body: string, type: string): Pick<StoredFile, "name" | "content">;
  /** Ids of files and batches begin with these. */
  readonly fileIds: string;
  readonly batchIds: string;
  file(file: StoredFile): unknown;
  files(files: readonly StoredFile[]): unknown;
  askedBatch(body: Readonly<Record<string, unknown>>): AskedBatch;
  /** The name and the text of a line of an input file. */
  line(json: string): { readonly id: string; readonly text: string };
  resultLine(id: string, text: string, dimensions: number): string;
  /** @param status 0 where it was not tried, @param quoted a text that the message repeats */
  errorLine(id: string, status: number, code: string, quoted: string): string;
  /** Errors are lines of a file of their own. */
  readonly hasErrorFile: boolean;
  /** What an expired batch has done is kept. */
  readonly keepsExpired: boolean;
  /** A batch beyond the quota is refused, and not taken and failed. */
  readonly refusesBeyondQuota: boolean;
  /** Of a file that is not there. */
  readonly missing: { readonly status: number; readonly body: unknown };
  batch(batch: StandInBatch): unknown;
  batches(batches: readonly StandInBatch[]): unknown;
  /** The texts of a request for vectors. */
  texts(body: Readonly<Record<string, unknown>>): readonly string[];
}

export function insist(isRight: boolean, what: string): void {
  if (!isRight) throw new Error(what);
}

/** The part of a form or a multipart body that has this in it, without its head. */
export function partOf(body: string, type: string, mark: string): { head: string; content: string } {
  const [, boundary = ""] = /boundary=(\S+)/.exec(type) ?? [];
  const part = body.split(`--${boundary}`).find((text) => text.includes(mark)) ?? "";
  const at = part.indexOf("\r\n\r\n");
  return { head: part.slice(0, at), content: part.slice(at + 4).replace(/\r\n$/, "") };
}

interface OpenAiLine {
  readonly custom_id: string;
  readonly method?: string;
  readonly url?: string;
  readonly body: Readonly<Record<string, unknown>> & { readonly input: readonly string[] };
}

function readLine(json: string, isRight: (line: OpenAiLine) => boolean): { id: string; text: string } {
  const line = JSON.parse(json) as OpenAiLine;
  insist(isRight(line) && line.body.input.length === 1, "a line of another shape");
  return { id: line.custom_id, text: line.body.input[0] ?? "" };
}

const NO_FILE = { status: 404, body: { error: { message: "No such File object" } } };

export const openAiWire: BatchWire = {
  root: "/v1",
  call: (method, path, query) => {
    const [, , room, id = "", what = ""] = path.split("/");
    if (room === "files") return fileCall(method, id, what);
    return room === "batches" ? batchCall(method, id, what, query) : undefined;
  },
  fileIn: (body, type) => {
    const { head, content } = partOf(body, type, 'name="file"');
    const [, name = ""] = /filename="([^"]*)"/.exec(head) ?? [];
    insist(partOf(body, type, 'name="purpose"').content === "batch", "a file without the purpose of a batch");
    return { name, content };
  },
  fileIds: "file-",
  batchIds: "batch_",
  file: ({ id, name }) => ({ id, filename: name, purpose: "batch" }),
  files: (files) => ({ data: files.map((file) => openAiWire.file(file)) }),
  askedBatch: ({ input_file_id, endpoint, completion_window, metadata }) => {
    insist(endpoint === "/v1/embeddings" && completion_window === "24h", "no such batch");
    return { input: String(input_file_id), tag: tagOf(metadata) };
  },
  line: (json) =>
    readLine(
      json,
      ({ method, url, body }) =>
        method === "POST" && url === "/v1/embeddings" && typeof body["model"] === "string",
    ),
  resultLine: (id, text, dimensions) => {
    const embedding = Buffer.from(oracleVector(text, dimensions).buffer).toString("base64");
    return openAiResult(id, text, embedding);
  },
  errorLine: (id, status, code, quoted) => {
    const message = `I will not read '${quoted}'`;
    const response = status === 0 ? null : { status_code: status, body: { error: { code, message } } };
    return JSON.stringify({ id: "x", custom_id: id, response, error: status === 0 ? { code } : null });
  },
  hasErrorFile: true,
  keepsExpired: true,
  refusesBeyondQuota: false,
  missing: NO_FILE,
  batch: ({ id, input, tag, status, output, errors, code, endsAt }) => ({
    id,
    status,
    metadata: { autoembed: tag },
    input_file_id: input,
    output_file_id: output,
    error_file_id: errors,
    expires_at: Math.ceil(endsAt / 1000) + 86_400,
    ...(code === undefined ? {} : { errors: { data: [{ code, message: "quotes a text" }] } }),
  }),
  batches: (batches) => ({ data: batches.map((batch) => openAiWire.batch(batch)) }),
  texts: ({ input }) => input as string[],
};

/** Model and parameters are the batch's: no line may have them. */
export const voyageWire: BatchWire = {
  ...openAiWire,
  askedBatch: ({ input_file_id, endpoint, completion_window, request_params, metadata }) => {
    const { model, input_type, truncation } = (request_params ?? {}) as Record<string, unknown>;
    insist(endpoint === "/v1/embeddings" && completion_window === "12h", "no such batch");
    insist(typeof model === "string" && input_type === "document" && truncation === false, "no parameters");
    return { input: String(input_file_id), tag: tagOf(metadata) };
  },
  line: (json) =>
    readLine(
      json,
      ({ method, url, body }) => method === undefined && url === undefined && Object.keys(body).length === 1,
    ),
  resultLine: (id, text, dimensions) => openAiResult(id, text, Array.from(oracleVector(text, dimensions))),
};

const MISTRAL = {
  in_progress: "RUNNING",
  completed: "SUCCESS",
  expired: "TIMEOUT_EXCEEDED",
  failed: "FAILED",
  cancelled: "CANCELLED",
};

/** Jobs of its own, with the model in the job. */
export const mistralWire: BatchWire = {
  ...openAiWire,
  call: (method, path, query) => {
    const [, , room, id = "", what = "", more = ""] = path.split("/");
    if (room === "files") return fileCall(method, id, what);
    return room === "batch" && id === "jobs" ? batchCall(method, what, more, query) : undefined;
  },
  askedBatch: ({ input_files, model, endpoint, timeout_hours, metadata }) => {
    insist(endpoint === "/v1/embeddings" && typeof model === "string" && timeout_hours === 24, "no such job");
    const [input] = input_files as string[];
    return { input: String(input), tag: tagOf(metadata) };
  },
  line: (json) =>
    readLine(
      json,
      ({ method, url, body }) => method === undefined && url === undefined && !("model" in body),
    ),
  resultLine: (id, text, dimensions) => openAiResult(id, text, Array.from(oracleVector(text, dimensions))),
  batch: ({ id, input, tag, status, output, errors, code }) => ({
    id,
    status: MISTRAL[status],
    metadata: { autoembed: tag },
    input_files: [input],
    output_file: output,
    error_file: errors,
    errors: code === undefined ? [] : [{ code, message: "quotes a text" }],
  }),
  batches: (batches) => ({ data: batches.map((batch) => mistralWire.batch(batch)) }),
};

function fileCall(method: string, id: string, what: string): Call {
  if (id === "") return { action: method === "POST" ? "upload" : "files", id };
  return { action: method === "DELETE" ? "delete" : what === "content" ? "content" : "look", id };
}

function batchCall(method: string, id: string, what: string, query: string): Call {
  if (id !== "") return { action: what === "cancel" ? "cancel" : "look", id };
  insist(method === "POST" || query !== "", "a list of how many?");
  return { action: method === "POST" ? "create" : "batches", id };
}

function tagOf(metadata: unknown): string {
  return (metadata as { readonly autoembed: string }).autoembed;
}

function openAiResult(id: string, text: string, embedding: unknown): string {
  const body = { data: [{ index: 0, embedding }], usage: { total_tokens: Math.ceil(text.length / 4) } };
  return JSON.stringify({ id: "x", custom_id: id, response: { status_code: 200, body }, error: null });
}
