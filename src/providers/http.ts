import { setImmediate } from "node:timers/promises";
import type { Dispatcher } from "undici";
import { classifyAnswer, whatFollows, type ErrorContext } from "./classify.ts";
import { complaintOf } from "./complaint.ts";
import { classifyNetworkError } from "./classify-network.ts";
import { Deadline } from "../timing/deadline.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";
import { openDispatcher } from "./dispatcher.ts";
import { ProviderError } from "./provider-error.ts";
import { proxyName } from "./proxies.ts";
import { parseJson } from "./parse-json.ts";
import { readAnswer } from "./read-answer.ts";
import type { HttpSettings } from "./provider-settings.ts";
import type { OnReceived } from "./provider.ts";
import { rateHints, type Headers } from "./traffic/rate-hints.ts";

/** An answer of more bytes has vectors. */
const LARGEST_ERROR_BYTES = 4096;

export interface JsonAnswer {
  readonly headers: Headers;
  readonly body: unknown;
}

/** Posts JSON to one provider over pooled, kept-alive connections. */
export class JsonClient {
  readonly #dispatcher: Dispatcher;
  readonly #origin: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;
  readonly #proxy: string | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(settings: HttpSettings & { readonly timeoutMs: number }, headers: Record<string, string>) {
    const url = new URL(settings.baseUrl);
    this.#origin = url.origin;
    this.#headers = { "content-type": "application/json", accept: "application/json", ...headers };
    this.#timeoutMs = settings.timeoutMs;
    this.#dispatcher = openDispatcher(url, settings);
    this.#proxy = proxyName(url, settings);
  }

  /**
   * @param path from the root, with its query
   * @param texts the texts in the body: no error repeats a word of them
   * @param headers of this request, unless the settings give the same
   * @throws {ProviderError} for everything but a 2xx with a JSON body; when aborted, the signal's reason
   */
  async post(
    path: string,
    body: unknown,
    texts: readonly string[],
    context: ErrorContext,
    signal: AbortSignal,
    onReceived?: OnReceived,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<JsonAnswer> {
    signal.throwIfAborted();
    using deadline = new Deadline(signal, this.#timeoutMs);
    const request = JSON.stringify(body);
    try {
      const asked = this.#dispatcher.request({
        origin: this.#origin,
        path,
        method: "POST",
        headers: { ...headers, ...this.#headers },
        body: request,
        signal: deadline.signal,
      });
      // Until it is connected, undici heeds no signal.
      const answer = await unlessAborted(deadline.signal, asked);
      const bytes = await readAnswer(answer, Buffer.byteLength(request), texts.length, context.address);
      const good = answer.statusCode >= 200 && answer.statusCode <= 299;
      const isLarge = bytes.length > LARGEST_ERROR_BYTES;
      if (good && isLarge) {
        onReceived?.(rateHints(answer.headers));
        await this.#turnToRead();
      }
      const json = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      // A short answer may be an error all the same, such as "too many requests": only its vectors show that it is not.
      if (good && !isLarge && !hasError(json)) onReceived?.(rateHints(answer.headers));
      if (!good) {
        throw classifyAnswer(answer.statusCode, answer.headers, complaintOf(json), texts, context);
      }
      if (json === undefined) throw garbled(context);
      return { headers: answer.headers, body: json };
    } catch (error) {
      if (error instanceof ProviderError) throw error;
      if (deadline.expired) {
        throw new ProviderError(
          "unavailable",
          `${context.address} gave no whole answer within ${this.#timeoutMs} ms (EMBEDDING_TIMEOUT). ${whatFollows(context)}`,
        );
      }
      signal.throwIfAborted();
      throw classifyNetworkError(error, context, this.#proxy);
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /**
   * One answer is parsed per turn of the event loop. Parsing a megabyte and passing it on takes milliseconds; between two
   * answers the next request is sent, and other answers are received.
   */
  #turnToRead(): Promise<void> {
    this.#reading = this.#reading.then(() => setImmediate());
    return this.#reading;
  }
}

function hasError(body: unknown): boolean {
  return typeof body !== "object" || body === null || "error" in body || "errors" in body;
}

function garbled(context: ErrorContext): ProviderError {
  return new ProviderError(
    "unavailable",
    `${context.address} answered 200 with a body that is no JSON. ${whatFollows(context)}`,
  );
}
