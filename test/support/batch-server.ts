import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { openAiWire, type BatchWire, type Call } from "./batch-wires.ts";
import { startProviderServer, type ProviderServer } from "./provider-server.ts";

export interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly content: string;
  /** What it has in place of that, if it is too large for one string: each line is made when it is sent. */
  readonly lines?: readonly (() => string)[];
}

interface Line {
  readonly id: string;
  readonly text: string;
}

export interface StandInBatch {
  readonly id: string;
  readonly input: string;
  readonly tag: string;
  readonly lines: readonly Line[];
  readonly endsAt: number;
  status: "in_progress" | "completed" | "expired" | "failed" | "cancelled";
  output?: string;
  errors?: string;
  code?: string;
}

/**
 * A provider on 127.0.0.1 with a batch API in the shape of OpenAI, or of another wire, and with requests. It keeps files,
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
  readonly counts = { uploads: 0, deleted: 0, batched: 0, live: 0, quotaRefusals: 0, servedBytes: 0 };
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
  /** Of the files, so many of the latest are listed. */
  listed = Number.POSITIVE_INFINITY;
  /** So many of the next batches expire when half of their texts are embedded. */
  expires = 0;
  /** So many of the next batches fail as a whole. */
  fails = 0;
  /** Answers so many of the next requests that create a batch with a broken connection, though it makes the batch. */
  swallows = 0;
  /** The status of answers to files, and to requests that create a batch, which quote a line; 0 while they are taken. */
  refusesFiles = 0;
  refusesCreating = 0;
  readonly #server: Server;
  readonly #wire: BatchWire;

  private constructor(requests: ProviderServer, wire: BatchWire) {
    this.requests = requests;
    this.#wire = wire;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(dimensions: number, wire = openAiWire): Promise<BatchServer> {
    const server = new BatchServer(await startProviderServer({ dimensions }), wire);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}${this.#wire.root}`;
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
    this.#settle();
    try {
      const call = this.#wire.call(request.method ?? "", path, query);
      if (call === undefined) await this.#forward(request, response, body);
      else this.#answer(call, body.toString(), request.headers["content-type"] ?? "", response);
    } catch (error) {
      send(response, 400, { error: { message: String(error) } });
    }
  }

  #answer({ action, id }: Call, body: string, type: string, response: ServerResponse): void {
    if (action === "upload") this.#upload(body, type, response);
    else if (action === "files")
      send(response, 200, this.#wire.files([...this.files.values()].toReversed().slice(0, this.listed)));
    else if (action === "delete" || action === "content") this.#handleFile(action, id, response);
    else if (action === "create") this.#create(body, response);
    else if (action === "batches") send(response, 200, this.#wire.batches(this.batches.toReversed()));
    else {
      const batch = this.batches.find((known) => known.id === id);
      if (action === "cancel" && batch?.status === "in_progress") batch.status = "cancelled";
      if (batch === undefined) send(response, 404, { error: { message: "No such batch" } });
      else send(response, 200, this.#wire.batch(batch));
    }
  }

  #upload(body: string, type: string, response: ServerResponse): void {
    this.counts.uploads++;
    const { name, content } = this.#wire.fileIn(body, type);
    if (this.refusesFiles > 0) {
      send(response, this.refusesFiles, { error: { message: `cannot take ${content.slice(0, 500)}` } });
      return;
    }
    send(response, 200, this.#wire.file(this.#store(name, content)));
  }

  #handleFile(action: "delete" | "content", id: string, response: ServerResponse): void {
    const file = this.files.get(id);
    const { status, body } = this.#wire.missing;
    if (file === undefined) send(response, status, body);
    else if (action === "content") Readable.from(this.#linesOf(file)).pipe(response);
    else {
      this.files.delete(id);
      this.counts.deleted++;
      send(response, 200, {});
    }
  }

  *#linesOf({ content, lines = [() => content] }: StoredFile): Generator<Buffer> {
    for (const line of lines) {
      const bytes = Buffer.from(`${line()}\n`);
      this.counts.servedBytes += bytes.length;
      yield bytes;
    }
  }

  #create(body: string, response: ServerResponse): void {
    if (this.refusesCreating > 0) {
      const [file] = this.files.values();
      const message = `line 1: ${file?.content.slice(0, 500) ?? ""}`;
      send(response, this.refusesCreating, { error: { message } });
      return;
    }
    const { input, tag } = this.#wire.askedBatch(JSON.parse(body) as Record<string, unknown>);
    const file = this.files.get(input);
    if (file === undefined) {
      send(response, this.#wire.missing.status, this.#wire.missing.body);
      return;
    }
    const lines = file.content
      .trim()
      .split("\n")
      .map((line) => this.#wire.line(line));
    const isBeyondQuota = sizeOf(lines) + this.#waiting > this.quota;
    if (isBeyondQuota && this.#wire.refusesBeyondQuota) {
      this.counts.quotaRefusals++;
      const retryInfo = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1s" };
      send(response, 429, { error: { code: 429, status: "RESOURCE_EXHAUSTED", details: [retryInfo] } });
      return;
    }
    const batch: StandInBatch = {
      id: `${this.#wire.batchIds}${randomUUID()}`,
      input,
      tag,
      lines,
      endsAt: Date.now() + this.runMs,
      status: "in_progress",
    };
    if (isBeyondQuota || this.fails > 0)
      Object.assign(batch, { status: "failed", code: "token_limit_exceeded" });
    if (!isBeyondQuota && this.fails > 0) this.fails--;
    this.batches.push(batch);
    if (this.swallows > 0) {
      this.swallows--;
      response.destroy();
    } else send(response, 200, this.#wire.batch(batch));
  }

  get #waiting(): number {
    return sizeOf(this.batches.flatMap(({ status, lines }) => (status === "in_progress" ? lines : [])));
  }

  /** Embeds the batches whose time has come. */
  #settle(): void {
    for (const batch of this.isHeld ? [] : this.batches) {
      if (batch.status !== "in_progress" || batch.endsAt > Date.now()) continue;
      const isExpired = this.expires > 0;
      if (isExpired) this.expires--;
      const isLost = !isExpired && this.losesFiles > 0;
      if (isLost) this.losesFiles--;
      const order = batch.lines
        .map((line) => ({ ...line, place: hashOf(line.text) }))
        .sort((a, b) => a.place - b.place);
      const kept = this.#wire.keepsExpired ? order.length / 2 : 0;
      const done = isExpired ? order.slice(0, kept) : order;
      const output: (() => string)[] = [];
      const errors = order
        .slice(done.length)
        .map(({ id }) => this.#wire.errorLine(id, 0, "batch_expired", ""));
      for (const { id, text } of done) {
        if (this.refuses(text)) {
          errors.push(this.#wire.errorLine(id, 400, "invalid_request", text));
          continue;
        }
        this.counts.batched++;
        add(this.paid, text);
        if (isLost || this.loses(text)) add(this.lost, text);
        else output.push(() => this.#wire.resultLine(id, text, this.requests.dimensions));
      }
      if (!this.#wire.hasErrorFile) output.push(...errors.splice(0).map((line) => () => line));
      if (!isExpired || this.#wire.keepsExpired) batch.output = this.#store("output.jsonl", "", output).id;
      if (errors.length > 0) batch.errors = this.#store("output.jsonl", errors.join("\n")).id;
      if (isLost && batch.output !== undefined) this.files.delete(batch.output);
      batch.status = isExpired ? "expired" : "completed";
    }
  }

  #store(name: string, content: string, lines?: StoredFile["lines"]): StoredFile {
    const id = `${this.#wire.fileIds}${randomUUID()}`;
    const file = { id, name, content, ...(lines === undefined ? {} : { lines }) };
    this.files.set(file.id, file);
    return file;
  }

  async #forward(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const answer = await fetch(`${this.requests.url}${request.url ?? ""}`, {
      method: request.method ?? "POST",
      headers: { "content-type": "application/json" },
      body: body.toString(),
    });
    const texts = this.#wire.texts(JSON.parse(body.toString()) as Record<string, unknown>);
    if (answer.ok && texts[0] !== PROBE_TEXT) {
      for (const text of texts) add(this.paid, text);
      this.counts.live += texts.length;
    }
    response.statusCode = answer.status;
    response.setHeader("content-type", "application/json");
    response.end(Buffer.from(await answer.arrayBuffer()));
  }
}

function sizeOf(texts: readonly Line[]): number {
  return texts.reduce((sum, { text }) => sum + text.length, 0);
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
