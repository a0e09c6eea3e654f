import { randomBytes } from "node:crypto";
import type { ErrorContext } from "../classify.ts";
import type { Complaint } from "../complaint.ts";
import { ProviderError } from "../provider-error.ts";
import type { HttpSettings } from "../provider-settings.ts";
import { at } from "../read-vectors.ts";
import type { Fields } from "../roles/role.ts";
import type { BatchApi, BatchLine, BatchOffer, BatchProgress } from "./batch-api.ts";
import { BatchHttp } from "./batch-http.ts";
import { geminiProgress, readGeminiLine } from "./gemini-answers.ts";
import { lineName } from "./line-name.ts";
import { invalidAnswer, textAt } from "./read-batch.ts";

/** Google gives no limit of lines; a file is put together in memory before it is sent. */
export const GEMINI_OFFER: BatchOffer = {
  priceFactor: 0.5,
  hours: 24,
  isCertain: true,
  limits: { lines: 50_000, bytes: 64 * 1024 * 1024 },
};

/** Items of a list that are looked through, at most: a hundred per request. */
const MOST_LISTED = 2_000;

/**
 * Files and batches of the Gemini API. Files and batches are named `files/…` and `batches/…`. A batch has one file of results,
 * with the errors in it. Google deletes files itself after two days.
 */
export class GeminiBatches implements BatchApi {
  readonly #http: BatchHttp;
  readonly #root: string;
  /** What stands before and after `/upload` and `/download` in a path: `/v1beta` is the version. */
  readonly #prefix: string;
  readonly #version: string;
  readonly #model: string;
  readonly #fields: Fields;
  readonly priceFactor = GEMINI_OFFER.priceFactor;
  readonly limits = GEMINI_OFFER.limits;

  /**
   * @param root the path of the base URL, such as `/v1beta`
   * @param fields of the request of each text, next to its content
   */
  constructor(
    settings: HttpSettings & { readonly timeoutMs: number },
    headers: Readonly<Record<string, string>>,
    context: ErrorContext,
    root: string,
    { model, fields }: { readonly model: string; readonly fields: Fields },
  ) {
    this.#http = new BatchHttp(settings, headers, { ...context, recognise: absent });
    this.#root = root;
    const cut = root.lastIndexOf("/");
    this.#prefix = root.slice(0, Math.max(0, cut));
    this.#version = root.slice(Math.max(0, cut));
    this.#model = model;
    this.#fields = fields;
  }

  line(line: number, text: string): string {
    const request = { content: { parts: [{ text }] }, ...this.#fields };
    return `${JSON.stringify({ key: lineName(line), request })}\n`;
  }

  async upload(name: string, lines: readonly Buffer[], signal: AbortSignal): Promise<string> {
    const boundary = `autoembed-${randomBytes(16).toString("hex")}`;
    const head =
      `--${boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n` +
      `${JSON.stringify({ file: { displayName: name, mimeType: "application/jsonl" } })}\r\n` +
      `--${boundary}\r\ncontent-type: application/jsonl\r\n\r\n`;
    const parts = [Buffer.from(head), ...lines, Buffer.from(`\r\n--${boundary}--\r\n`)];
    const type = `multipart/related; boundary=${boundary}`;
    const path = `${this.#prefix}/upload${this.#version}/files?uploadType=multipart`;
    return textAt(await this.#http.upload(path, type, parts, signal), path, "file", "name");
  }

  async findFiles(name: string, signal: AbortSignal): Promise<string[]> {
    const files = await this.#list("files", signal);
    return files
      .filter((file) => at(file, "displayName") === name)
      .map((file) => textAt(file, "/files", "name"));
  }

  async create(file: string, tag: string, signal: AbortSignal): Promise<string> {
    const path = `${this.#root}/models/${encodeURIComponent(this.#model)}:asyncBatchEmbedContent`;
    const batch = { displayName: tag, inputConfig: { file_name: file } };
    return textAt(await this.#http.post(path, { batch }, signal), path, "name");
  }

  async find(_file: string, tag: string, signal: AbortSignal): Promise<string | undefined> {
    const jobs = await this.#list("batches", signal);
    const found = jobs.find(
      (job) => at(job, "metadata", "displayName") === tag || at(job, "displayName") === tag,
    );
    return found === undefined ? undefined : textAt(found, "/batches", "name");
  }

  async look(batch: string, signal: AbortSignal): Promise<BatchProgress> {
    return geminiProgress(await this.#http.get(`${this.#root}/${inPath(batch)}`, signal));
  }

  async cancel(batch: string, signal: AbortSignal): Promise<void> {
    await this.#http.post(`${this.#root}/${inPath(batch)}:cancel`, {}, signal);
  }

  async *results(file: string, signal: AbortSignal): AsyncGenerator<BatchLine> {
    const path = `${this.#prefix}/download${this.#version}/${inPath(file)}:download?alt=media`;
    for await (const line of this.#http.lines(path, signal)) yield readGeminiLine(line);
  }

  async deleteFile(file: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#http.delete(`${this.#root}/${inPath(file)}`, signal);
    } catch (error) {
      // The name of a file of results may be too long for this method.
      if (!(error instanceof ProviderError && error.status === 400)) throw error;
    }
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  /** An empty list has no items at all. */
  async #list(what: "files" | "batches", signal: AbortSignal): Promise<readonly unknown[]> {
    const listed: unknown[] = [];
    let page = "";
    do {
      const path = `${this.#root}/${what}?pageSize=100${page}`;
      const answer = await this.#http.get(path, signal);
      const items = at(answer, what) ?? at(answer, "operations") ?? [];
      if (!Array.isArray(items)) throw invalidAnswer(path, "no list");
      listed.push(...(items as unknown[]));
      const next = at(answer, "nextPageToken");
      page = typeof next === "string" && next !== "" ? `&pageToken=${encodeURIComponent(next)}` : "";
    } while (page !== "" && listed.length < MOST_LISTED);
    return listed;
  }
}

/** Google answers 403 for a file that is not there, in words that a missing right does not have. */
function absent(status: number, { message }: Complaint): ProviderError | undefined {
  return status === 403 && /may not exist/.test(message)
    ? new ProviderError("unavailable", "Google has no such file any more.", { status: 404 })
    : undefined;
}

function inPath(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}
