import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { classifyAnswer, type ErrorContext } from "../classify.ts";
import { classifyNetworkError } from "../classify-network.ts";
import { complaintOf } from "../complaint.ts";
import { Deadline } from "../../timing/deadline.ts";
import { unlessAborted } from "../../timing/unless-aborted.ts";
import { openDispatcher } from "../dispatcher.ts";
import { parseJson } from "../parse-json.ts";
import { ProviderError } from "../provider-error.ts";
import { proxyName } from "../proxies.ts";
import type { HttpSettings } from "../provider-settings.ts";
import { readAnswer } from "../read-answer.ts";
import { splitLines } from "./split-lines.ts";

/** A file of many megabytes takes longer to send, and to be checked, than a request for vectors. */
const UPLOAD_MS = 600_000;

interface Sent {
  readonly method: "GET" | "POST" | "DELETE";
  /** From the root, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Readable;
  readonly timeoutMs?: number;
  /** The body has texts, or names a file of texts, so no error repeats what the answer says. */
  readonly hasTexts?: boolean;
}

/** Requests of a batch API: JSON, files and streams of lines. */
export class BatchHttp {
  readonly #dispatcher: Dispatcher;
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #proxy: string | undefined;
  readonly #context: ErrorContext;

  /** @param context names the settings in errors; the address is that of each request */
  constructor(
    settings: HttpSettings & { readonly timeoutMs: number },
    headers: Readonly<Record<string, string>>,
    context: ErrorContext,
  ) {
    const url = new URL(settings.baseUrl);
    this.#origin = url.origin;
    this.#headers = { accept: "application/json", "accept-encoding": "identity", ...headers };
    this.#timeoutMs = settings.timeoutMs;
    this.#context = context;
    this.#dispatcher = openDispatcher(url, settings);
    this.#proxy = proxyName(url, settings);
  }

  /** @returns the JSON of the answer; undefined where it is none. @throws {ProviderError} for everything but a 2xx */
  async json(sent: Sent, signal: AbortSignal): Promise<unknown> {
    return await this.#request(sent, signal, async (answer, context) => {
      const bytes = await readAnswer(answer, 0, 1, context.address);
      return parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    });
  }

  /** What the answer says is not repeated: about a file, it may quote a line. */
  async post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    return await this.json(
      { method: "POST", path, headers, body: JSON.stringify(body), hasTexts: true },
      signal,
    );
  }

  async get(path: string, signal: AbortSignal): Promise<unknown> {
    return await this.json({ method: "GET", path }, signal);
  }

  /** Sends a body with texts. @param type its `Content-Type` */
  async upload(path: string, type: string, parts: readonly Buffer[], signal: AbortSignal): Promise<unknown> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const headers = { "content-type": type, "content-length": String(length) };
    const body = Readable.from(parts);
    return await this.json(
      { method: "POST", path, headers, body, timeoutMs: UPLOAD_MS, hasTexts: true },
      signal,
    );
  }

  /** A thing that is not there any more is deleted. */
  async delete(path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.json({ method: "DELETE", path }, signal);
    } catch (error) {
      if (!(error instanceof ProviderError && error.status === 404)) throw error;
    }
  }

  /** The lines of a file, one after the other: no more of it is held than a line. */
  async *lines(path: string, signal: AbortSignal): AsyncGenerator<string> {
    const context = this.#contextOf(path);
    try {
      const answer = await this.#send({ method: "GET", path }, signal);
      if (answer.statusCode < 200 || answer.statusCode > 299) throw await refusal(answer, context, false);
      yield* splitLines(answer.body as AsyncIterable<Buffer>, context.address);
    } catch (error) {
      if (error instanceof ProviderError) throw error;
      signal.throwIfAborted();
      throw classifyNetworkError(error, context, this.#proxy);
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #request<T>(
    sent: Sent,
    signal: AbortSignal,
    read: (answer: Dispatcher.ResponseData, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const context = this.#contextOf(sent.path);
    const timeoutMs = sent.timeoutMs ?? this.#timeoutMs;
    using deadline = new Deadline(signal, timeoutMs);
    try {
      const answer = await this.#send(sent, deadline.signal);
      if (answer.statusCode < 200 || answer.statusCode > 299)
        throw await refusal(answer, context, sent.hasTexts === true);
      return await read(answer, context);
    } catch (error) {
      if (error instanceof ProviderError) throw error;
      if (deadline.expired)
        throw new ProviderError(
          "unavailable",
          `${context.address} gave no whole answer within ${timeoutMs} ms.`,
        );
      signal.throwIfAborted();
      throw classifyNetworkError(error, context, this.#proxy);
    }
  }

  async #send(sent: Sent, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { method, path, headers, body = null, timeoutMs } = sent;
    const asked = this.#dispatcher.request({
      origin: this.#origin,
      path,
      method,
      headers: { ...this.#headers, ...headers },
      body,
      signal,
      ...(timeoutMs === undefined ? {} : { headersTimeout: timeoutMs, bodyTimeout: timeoutMs }),
    });
    // Until it is connected, undici heeds no signal.
    return await unlessAborted(signal, asked);
  }

  #contextOf(path: string): ErrorContext {
    return { ...this.#context, address: `${this.#origin}${path.split("?", 1)[0] ?? ""}` };
  }
}

async function refusal(
  answer: Dispatcher.ResponseData,
  context: ErrorContext,
  hasTexts: boolean,
): Promise<ProviderError> {
  const bytes = await readAnswer(answer, 0, 0, context.address);
  const complaint = complaintOf(parseJson(Buffer.from(bytes)));
  return classifyAnswer(
    answer.statusCode,
    answer.headers,
    hasTexts ? { ...complaint, message: "" } : complaint,
    [],
    context,
  );
}
