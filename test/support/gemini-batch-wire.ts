import { insist, partOf, type BatchWire } from "./batch-wires.ts";
import { oracleVector } from "./oracle-vector.ts";

interface GeminiLine {
  readonly key: string;
  readonly request: {
    readonly content: { readonly parts: readonly { readonly text: string }[] };
    readonly taskType?: string;
    readonly output_dimensionality?: number;
  };
}

const STATES = {
  in_progress: "RUNNING",
  completed: "SUCCEEDED",
  expired: "EXPIRED",
  failed: "FAILED",
  cancelled: "CANCELLED",
};

/** The Gemini API, with one file of results per batch; it answers 403 for a file that is not there. */
export const geminiWire: BatchWire = {
  root: "/v1beta",
  call: (method, path, query) => {
    if (path === "/upload/v1beta/files" && query === "uploadType=multipart")
      return { action: "upload", id: "" };
    const [, download] = /^\/download\/v1beta\/(files\/[\w-]+):download$/.exec(path) ?? [];
    if (download !== undefined && query === "alt=media") return { action: "content", id: download };
    if (/^\/v1beta\/models\/[\w-]+:asyncBatchEmbedContent$/.test(path)) return { action: "create", id: "" };
    if (path === "/v1beta/files") return { action: "files", id: "" };
    if (path === "/v1beta/batches") return { action: "batches", id: "" };
    const [, name, verb] = /^\/v1beta\/((?:files|batches)\/[\w-]+)(:cancel)?$/.exec(path) ?? [];
    if (name === undefined) return undefined;
    return { action: method === "DELETE" ? "delete" : verb === undefined ? "look" : "cancel", id: name };
  },
  fileIn: (body, type) => {
    insist(type.startsWith("multipart/related"), "no upload of two parts");
    const { file } = JSON.parse(partOf(body, type, "displayName").content) as {
      file: { displayName: string };
    };
    return {
      name: file.displayName,
      content: partOf(body, type, "content-type: application/jsonl\r\n").content,
    };
  },
  fileIds: "files/",
  batchIds: "batches/",
  file: ({ id, name }) => ({ file: { name: id, displayName: name, state: "ACTIVE" } }),
  files: (files) =>
    files.length === 0 ? {} : { files: files.map(({ id, name }) => ({ name: id, displayName: name })) },
  askedBatch: ({ batch }) => {
    const { displayName, inputConfig } = batch as { displayName: string; inputConfig: { file_name: string } };
    return { input: inputConfig.file_name, tag: displayName };
  },
  line: (json) => {
    const { key, request } = JSON.parse(json) as GeminiLine;
    const [part, another] = request.content.parts;
    insist(part !== undefined && another === undefined, "several parts get one vector together");
    insist(request.taskType === "RETRIEVAL_DOCUMENT", "no role");
    insist(typeof request.output_dimensionality === "number", "no length");
    return { id: key, text: part?.text ?? "" };
  },
  resultLine: (key, text, dimensions) =>
    JSON.stringify({ key, response: { embedding: { values: Array.from(oracleVector(text, dimensions)) } } }),
  errorLine: (key, status, _code, quoted) =>
    JSON.stringify({
      key,
      response: { error: { code: status === 400 ? 3 : 13, message: `I will not read '${quoted}'` } },
    }),
  hasErrorFile: false,
  keepsExpired: false,
  refusesBeyondQuota: true,
  missing: {
    status: 403,
    body: {
      error: {
        code: 403,
        message: "You do not have permission to access the File or it may not exist.",
        status: "PERMISSION_DENIED",
      },
    },
  },
  batch: ({ id, tag, input, status, output, code }) => ({
    name: id,
    done: status !== "in_progress",
    metadata: {
      state: `BATCH_STATE_${STATES[status]}`,
      displayName: tag,
      inputConfig: { fileName: input },
      batchStats: { requestCount: "1" },
    },
    ...(output === undefined ? {} : { output: { responsesFile: output } }),
    ...(code === undefined ? {} : { error: { code: 8, message: "quotes a text" } }),
  }),
  batches: (batches) =>
    batches.length === 0 ? {} : { operations: batches.map((batch) => geminiWire.batch(batch)) },
  texts: ({ requests }) =>
    (requests as { content: { parts: { text: string }[] } }[]).map(
      ({ content }) => content.parts[0]?.text ?? "",
    ),
};
