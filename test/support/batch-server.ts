import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { oracleVector } from "./oracle-vector.ts";
import { startProviderServer, type ProviderServer } from "./provider-server.ts";

interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly content: string;
}

interface Line {
  readonly id: string;
  readonly text: string;
}

interface StandInBatch {
  readonly id: string;
  readonly input: string;
  readonly metadata: unknown;
  readonly lines: readonly Line[];
  readonly endsAt: number;
  status: "in_progress" | "completed" | "expired" | "failed" | "cancelled";
  output?: string;
  errors?: string;
  code?: string;
}

const MISTRAL = {
  in_progress: "RUNNING",
  completed: "SUCCESS",
  expired: "TIMEOUT_EXCEEDED",
  failed: "FAILED",
  cancelled: "CANCELLED",
};

/**
 * A provider on 127.0.0.1 with a batch API in the shapes of OpenAI, Voyage and Mistral, and with requests. It keeps files,
 * embeds a batch after a while, gives results in another order, and counts every text that somebody pays for.
 */
export class BatchServer {
  readonly requests: ProviderServer;
  readonly files = new Map<string, StoredFile>();
  readonly batches: StandInBatch[] = [];
  /** How often each text was paid for, by batches and by requests. */
  readonly paid = new Map<string, number>();
  /** Texts whose vectors were lost with their file or their line: they are rightly paid for once more. */
  readonly lost = new Map<string, number>();
  readonly counts = { uploads: 0, deleted: 0, batched: 0, live: 0 };
  /** No batch ends. */
  isHeld = false;
  /** Until a batch has ended. */
  runMs = 300;
  /** A batch with more characters than these, with those under way, fails. */
  quota = Number.POSITIVE_INFINITY;
  refuses: (text: string) => boolean = () => false;
  /** Lines that are embedded, paid for, and not in the output. */
  loses: (text: string) => boolean = () => false;
  /** So many of the next batches lose their output file. */
  losesFiles = 0;
  /** So many of the next batches expire when half of their texts are embedded. */
  expires = 0;
  /** Answers so many of the next requests that create a batch with a broken connection, though it makes the batch. */
  swallows = 0;
  /** The status of answers to files, and to requests that create a batch, which quote a line; 0 while they are taken. */
  refusesFiles = 0;
  refusesCreating = 0;
  readonly #server: Server;

  private constructor(requests: ProviderServer) {
    this.requests = requests;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(dimensions: number): Promise<BatchServer> {
    const server = new BatchServer(await startProviderServer({ dimensions }));
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.requests.close();
  }

  /** Texts that were paid for more often than once, beyond what was lost. */
  get paidTwice(): string[] {
    return [...this.paid].flatMap(([text, times]) => (times - (this.lost.get(text) ?? 0) > 1 ? [text] : []));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const [, , room, id, what] = path.split("/");
    this.#settle();
    if (room === "files") this.#handleFile(request, response, body, id, what);
    else if (room === "batches") this.#handleBatch(request, response, body, id, what, query);
    else if (path.startsWith("/v1/batch/jobs"))
      this.#handleBatch(request, response, body, path.split("/")[4], undefined, query);
    else await this.#forward(request, response, body);
  }

  #handleFile(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    id: string | undefined,
    what: string | undefined,
  ): void {
    if (request.method === "POST") {
      this.counts.uploads++;
      const file = fileIn(body, request.headers["content-type"] ?? "");
      if (this.refusesFiles > 0) {
        send(response, this.refusesFiles, {
          error: { message: `cannot take ${file.content.slice(0, 500)}` },
        });
        return;
      }
      this.files.set(file.id, file);
      send(response, 200, { id: file.id, filename: file.name, purpose: "batch" });
    } else if (id === undefined) {
      const files = [...this.files.values()].map((file) => ({ id: file.id, filename: file.name }));
      send(response, 200, { data: files.toReversed() });
    } else {
      const file = this.files.get(id);
      if (file === undefined) send(response, 404, { error: { message: "No such File object" } });
      else if (request.method === "DELETE") {
        this.files.delete(id);
        this.counts.deleted++;
        send(response, 200, { id, deleted: true });
      } else if (what === "content") response.end(file.content);
      else send(response, 200, { id });
    }
  }

  #handleBatch(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    id: string | undefined,
    what: string | undefined,
    query: string,
  ): void {
    const isMistral = request.url?.startsWith("/v1/batch/jobs") === true;
    const show = isMistral ? asMistral : asOpenAi;
    const batch = this.batches.find((known) => known.id === id);
    if (request.method === "POST" && id === undefined && this.refusesCreating > 0) {
      const [file] = this.files.values();
      const message = `line 1: ${file?.content.slice(0, 500) ?? ""}`;
      send(response, this.refusesCreating, { error: { message } });
    } else if (request.method === "POST" && id === undefined) {
      const made = this.#create(JSON.parse(body.toString()) as Record<string, unknown>);
      if (this.swallows > 0) {
        this.swallows--;
        response.destroy();
      } else if (made === undefined) send(response, 400, { error: { message: "no such file" } });
      else send(response, 200, show(made));
    } else if (id === undefined) {
      if (query === "") send(response, 400, {});
      else send(response, 200, { data: this.batches.map(show).toReversed() });
    } else if (batch === undefined) send(response, 404, { error: { message: "No such batch" } });
    else {
      if (what === "cancel" && batch.status === "in_progress") batch.status = "cancelled";
      send(response, 200, show(batch));
    }
  }

  #create(asked: Record<string, unknown>): StandInBatch | undefined {
    const [first] = Array.isArray(asked["input_files"]) ? (asked["input_files"] as unknown[]) : [];
    const input = String(asked["input_file_id"] ?? first);
    const file = this.files.get(input);
    if (file === undefined) return undefined;
    const lines = file.content.trim().split("\n").map(readLine);
    const size = (texts: readonly Line[]): number => texts.reduce((sum, { text }) => sum + text.length, 0);
    const waiting = this.batches
      .filter(({ status }) => status === "in_progress")
      .flatMap((batch) => batch.lines);
    const batch: StandInBatch = {
      id: `batch_${randomUUID()}`,
      input,
      metadata: asked["metadata"],
      lines,
      endsAt: Date.now() + this.runMs,
      status: "in_progress",
    };
    if (size(lines) + size(waiting) > this.quota)
      Object.assign(batch, { status: "failed", code: "token_limit_exceeded" });
    this.batches.push(batch);
    return batch;
  }

  /** Embeds the batches whose time has come. */
  #settle(): void {
    for (const batch of this.isHeld ? [] : this.batches) {
      if (batch.status !== "in_progress" || batch.endsAt > Date.now()) continue;
      const isExpired = this.expires > 0;
      if (isExpired) this.expires--;
      const isLost = this.losesFiles > 0;
      if (isLost) this.losesFiles--;
      const order = batch.lines
        .map((line) => ({ ...line, place: hashOf(line.text) }))
        .sort((a, b) => a.place - b.place);
      const done = isExpired ? order.slice(0, order.length / 2) : order;
      const output: string[] = [];
      const errors: string[] = order.slice(done.length).map(({ id }) => errorLine(id, 0, "batch_expired"));
      for (const { id, text } of done) {
        if (this.refuses(text)) {
          errors.push(errorLine(id, 400, "invalid_request", text));
          continue;
        }
        this.counts.batched++;
        add(this.paid, text);
        if (isLost || this.loses(text)) add(this.lost, text);
        else output.push(resultLine(id, text, this.requests.dimensions));
      }
      batch.output = this.#store(output);
      if (errors.length > 0) batch.errors = this.#store(errors);
      if (isLost) this.files.delete(batch.output);
      batch.status = isExpired ? "expired" : "completed";
    }
  }

  #store(lines: readonly string[]): string {
    const id = `file-${randomUUID()}`;
    this.files.set(id, { id, name: "output.jsonl", content: lines.join("\n") });
    return id;
  }

  async #forward(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const answer = await fetch(`${this.requests.url}${request.url ?? ""}`, {
      method: request.method ?? "POST",
      headers: { "content-type": "application/json" },
      body: body.toString(),
    });
    const { input } = JSON.parse(body.toString()) as { input: readonly string[] };
    if (answer.ok && input[0] !== PROBE_TEXT) {
      for (const text of input) add(this.paid, text);
      this.counts.live += input.length;
    }
    response.statusCode = answer.status;
    response.setHeader("content-type", "application/json");
    response.end(Buffer.from(await answer.arrayBuffer()));
  }
}

/** The file of a form, by its boundary. */
function fileIn(body: Buffer, type: string): StoredFile {
  const [, boundary = ""] = /boundary=(\S+)/.exec(type) ?? [];
  const part =
    body
      .toString()
      .split(`--${boundary}`)
      .find((text) => text.includes('name="file"')) ?? "";
  const [, name = ""] = /filename="([^"]*)"/.exec(part) ?? [];
  const content = part.slice(part.indexOf("\r\n\r\n") + 4).replace(/\r\n$/, "");
  return { id: `file-${randomUUID()}`, name, content };
}

function readLine(json: string): Line {
  const line = JSON.parse(json) as { custom_id: string; body: { input: readonly string[] } };
  return { id: line.custom_id, text: line.body.input[0] ?? "" };
}

function resultLine(id: string, text: string, dimensions: number): string {
  const embedding = Buffer.from(oracleVector(text, dimensions).buffer).toString("base64");
  const body = { data: [{ index: 0, embedding }], usage: { total_tokens: Math.ceil(text.length / 4) } };
  return JSON.stringify({ id: "x", custom_id: id, response: { status_code: 200, body }, error: null });
}

function errorLine(id: string, status: number, code: string, quoted = ""): string {
  const message = `I will not read '${quoted}'`;
  const response = status === 0 ? null : { status_code: status, body: { error: { code, message } } };
  return JSON.stringify({ id: "x", custom_id: id, response, error: status === 0 ? { code } : null });
}

function asOpenAi(batch: StandInBatch): unknown {
  const { id, input, metadata, status, output, errors, code, endsAt } = batch;
  return {
    id,
    status,
    metadata,
    input_file_id: input,
    output_file_id: output,
    error_file_id: errors,
    expires_at: Math.ceil(endsAt / 1000) + 86_400,
    ...(code === undefined ? {} : { errors: { data: [{ code, message: "quotes a text" }] } }),
  };
}

function asMistral({ id, input, metadata, status, output, errors }: StandInBatch): unknown {
  const state = MISTRAL[status];
  return { id, status: state, metadata, input_files: [input], output_file: output, error_file: errors };
}

function hashOf(text: string): number {
  return Array.from(text).reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) | 0, 7);
}

function add(counts: Map<string, number>, text: string): void {
  counts.set(text, (counts.get(text) ?? 0) + 1);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}
