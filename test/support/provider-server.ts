import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  answerBody,
  countTokens,
  errorBody,
  rightItems,
  understand,
  type Asked,
} from "./provider-dialects.ts";
import { spoil, type Fault, type WireItem } from "./provider-faults.ts";
import { RateLimiter, type RateLimit } from "./rate-limit.ts";

export { oracleVector } from "./oracle-vector.ts";

export interface ProviderServerOptions {
  readonly dimensions: number;
  readonly port?: number;
  readonly latencyMs?: number;
}

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Readonly<Record<string, unknown>>;
  readonly texts: readonly string[];
  readonly atMs: number;
  status: number;
}

const REMEMBERED_REQUESTS = 10_000;

/**
 * An embedding provider on 127.0.0.1 that speaks OpenAI's protocol (`/v1/embeddings`) and both of Ollama's, answers
 * with `oracleVector(text)`, and misbehaves as told: `next(fault, times)`, `always(fault)`, or by its settings.
 */
export class ProviderServer {
  readonly dimensions: number;
  latencyMs: number;
  /** Which texts are refused. The refusal quotes the text, as real ones do. */
  poison: ((text: string) => boolean) | undefined;
  poisonStatus = 400;
  /** Refuses a longer text as over the model's context length. */
  longestText = Number.POSITIVE_INFINITY;
  maxInputs = 2048;
  /** `/api/embed` is unknown to it. */
  isOldOllama = false;
  /** Undefined: any model is accepted. */
  models: readonly string[] | undefined;
  /** Undefined: base64 when asked. `refused`: a 400 for it. `ignored`: floats all the same. */
  base64: "refused" | "ignored" | undefined;
  /** Undefined: no key needed. */
  apiKey: string | undefined;
  readonly requests: SeenRequest[] = [];
  readonly counts = { requests: 0, inputs: 0, tokens: 0, refused: 0, connections: 0, mostInFlight: 0 };
  #server: Server;
  #port = 0;
  #inFlight = 0;
  #script: Fault[] = [];
  #always: Fault | undefined;
  #limiter: RateLimiter | undefined;

  constructor(options: ProviderServerOptions) {
    this.dimensions = options.dimensions;
    this.latencyMs = options.latencyMs ?? 0;
    this.#port = options.port ?? 0;
    this.#server = this.#create();
  }

  /** The server's root, as `OLLAMA_BASE_URL` wants it. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** As `OPENAI_BASE_URL` wants it. */
  get openAiUrl(): string {
    return `${this.url}/v1`;
  }

  set rateLimit(limit: RateLimit | undefined) {
    this.#limiter = limit === undefined ? undefined : new RateLimiter(limit);
  }

  /** The next `times` requests get this. */
  next(fault: Fault, times = 1): void {
    for (let i = 0; i < times; i++) this.#script.push(fault);
  }

  /** Forgets whatever `next` and `always` told it. */
  behave(): void {
    this.#script = [];
    this.#always = undefined;
  }

  /** Every request that no `next` is for gets this, until told otherwise. */
  always(fault: Fault | undefined): void {
    this.#always = fault;
  }

  /** Behaves again. */
  reset(): void {
    this.#script = [];
    this.#always = undefined;
    this.#limiter = undefined;
    this.latencyMs = 0;
    this.poison = undefined;
    this.poisonStatus = 400;
    this.longestText = Number.POSITIVE_INFINITY;
    this.maxInputs = 2048;
    this.isOldOllama = false;
    this.models = undefined;
    this.base64 = undefined;
    this.apiKey = undefined;
  }

  /** Listens, again on its old port after `stop`. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Goes away: connections break, new ones are refused. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = this.#create();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async close(): Promise<void> {
    await this.stop();
  }

  #create(): Server {
    const server = createServer((request, response) => {
      this.#inFlight++;
      this.counts.mostInFlight = Math.max(this.counts.mostInFlight, this.#inFlight);
      response.once("close", () => this.#inFlight--);
      this.#handle(request, response).catch(() => response.destroy());
    });
    server.on("connection", () => this.counts.connections++);
    return server;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const atMs = performance.now();
    const path = request.url ?? "/";
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const asked = understand(path.split("?", 1)[0] ?? "", body);
    const texts = asked?.texts ?? [];
    const seen: SeenRequest = { path, headers: request.headers, body, texts, atMs, status: 0 };
    if (this.requests.push(seen) > REMEMBERED_REQUESTS) this.requests.shift();
    this.counts.requests++;
    this.counts.inputs += texts.length;
    response.once("close", () => (seen.status = response.statusCode));

    const verdict = this.#limiter?.take();
    for (const [name, value] of Object.entries(verdict?.headers ?? {})) response.setHeader(name, value);
    if (verdict?.allowed === false) {
      this.counts.refused++;
      send(response, 429, errorBody(asked, 429, "Rate limit reached for requests"));
      return;
    }
    const fault = this.#script.shift() ?? this.#always;
    if (this.latencyMs > 0) await sleep(this.latencyMs);
    await this.#answer(asked, fault, response);
  }

  async #answer(asked: Asked | undefined, fault: Fault | undefined, response: ServerResponse): Promise<void> {
    if (misbehaves(fault, asked, response)) return;
    const refusal = this.#refusal(asked, response.req.headers.authorization);
    if (refusal !== undefined || asked === undefined) {
      const { status, message } = refusal ?? { status: 404, message: "404 page not found" };
      send(response, status, errorBody(asked, status, message));
      return;
    }
    const right = rightItems(
      this.base64 === "ignored" ? { ...asked, base64: false } : asked,
      this.dimensions,
    );
    const items: WireItem[] = spoil(fault, right) ?? right;
    const tokens = countTokens(asked.texts);
    this.counts.tokens += tokens;
    const text = stringify(answerBody(asked, items, tokens));
    if (fault === "drop mid-body") {
      response.writeHead(200, { "content-type": "application/json", "content-length": text.length });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
    } else if (fault === "slow drip") {
      response.writeHead(200, { "content-type": "application/json" });
      for (const letter of text) {
        if (response.destroyed) return;
        response.write(letter);
        await sleep(20);
      }
      response.end();
    } else {
      sendText(response, text);
    }
  }

  #refusal(asked: Asked | undefined, authorization = ""): { status: number; message: string } | undefined {
    if (asked === undefined || (asked.dialect === "ollama" && this.isOldOllama)) {
      return { status: 404, message: "404 page not found" };
    }
    if (this.apiKey !== undefined && authorization !== `Bearer ${this.apiKey}`) {
      return { status: 401, message: `Incorrect API key provided: ${authorization}` };
    }
    if (this.models !== undefined && !this.models.includes(asked.model)) {
      return { status: 404, message: `model "${asked.model}" not found, try pulling it first` };
    }
    if (asked.base64 && this.base64 === "refused") {
      return { status: 400, message: "encoding_format: base64 is not supported" };
    }
    if (asked.texts.length > this.maxInputs) {
      return { status: 413, message: `batch size ${asked.texts.length} > maximum allowed ${this.maxInputs}` };
    }
    const long = asked.texts.find((text) => text.length > this.longestText);
    if (long !== undefined) {
      return { status: 400, message: "This model's maximum context length is 8192 tokens" };
    }
    const poisonous = asked.texts.find((text) => this.poison?.(text) ?? false);
    if (poisonous !== undefined)
      return { status: this.poisonStatus, message: `I will not read '${poisonous}'` };
    return undefined;
  }
}

export async function startProviderServer(options: ProviderServerOptions): Promise<ProviderServer> {
  const server = new ProviderServer(options);
  await server.start();
  return server;
}

/** Does a fault that needs no vectors; false when this fault is of another kind. */
function misbehaves(fault: Fault | undefined, asked: Asked | undefined, response: ServerResponse): boolean {
  if (fault === "hang") return true;
  if (fault === "reset") response.destroy();
  else if (typeof fault === "number") {
    send(response, fault, errorBody(asked, fault, `Told to say ${fault}`));
  } else if (typeof fault === "object") {
    for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
    send(response, fault.status, fault.body ?? errorBody(asked, fault.status, "Spelled out"));
  } else if (fault === "redirect") {
    response.setHeader("location", "http://elsewhere.example/v1/embeddings?key=secret");
    send(response, 307, {});
  } else if (fault === "200 with an error") {
    send(response, 200, errorBody(asked, 200, "The engine is overloaded"));
  } else if (fault === "garbled JSON") {
    sendText(response, '{"data": [{"index": 0, "embedding": [0.1, 0.2');
  } else if (fault === "empty body") {
    sendText(response, "");
  } else return false;
  return true;
}

/** JSON has no NaN and no Infinity, but servers written in Python send them. */
function stringify(body: unknown): string {
  return JSON.stringify(body, (_key, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? `\u0000${value}` : value,
  ).replaceAll(/"\\u0000(NaN|-?Infinity)"/g, "$1");
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  sendText(response, JSON.stringify(body));
}

function sendText(response: ServerResponse, text: string): void {
  response.setHeader("content-type", "application/json");
  response.end(text);
}
