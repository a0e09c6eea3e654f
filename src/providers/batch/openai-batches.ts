import { randomBytes } from "node:crypto";
import type { ErrorContext } from "../classify.ts";
import type { HttpSettings } from "../provider-settings.ts";
import { at } from "../read-vectors.ts";
import type { Fields } from "../roles/role.ts";
import type { BatchApi, BatchLine, BatchOffer, BatchProgress } from "./batch-api.ts";
import { BatchHttp } from "./batch-http.ts";
import { lineName } from "./line-name.ts";
import { readOpenAiLine } from "./openai-lines.ts";
import { invalidAnswer, textAt } from "./read-batch.ts";

/** What services do differently that have OpenAI's files and lines. */
export interface BatchDialect extends BatchOffer {
  /** After the root of the API. */
  readonly jobs: string;
  /** The query of a list of the latest files, and of the latest batches. */
  readonly latestFiles: string;
  readonly latestJobs: string;
  /** Of a line, next to its `custom_id`. */
  readonly line: (text: string) => Fields;
  readonly job: (file: string, tag: string) => Fields;
  readonly progress: (job: unknown) => BatchProgress;
}

/** Files and batches as OpenAI defined them, and as Azure, Voyage and Mistral have them. */
export class OpenAiBatches implements BatchApi {
  readonly #http: BatchHttp;
  readonly #root: string;
  readonly #dialect: BatchDialect;

  /** @param root the path before `/files`, such as `/v1` */
  constructor(
    settings: HttpSettings & { readonly timeoutMs: number },
    headers: Readonly<Record<string, string>>,
    context: ErrorContext,
    root: string,
    dialect: BatchDialect,
  ) {
    this.#http = new BatchHttp(settings, headers, context);
    this.#root = root;
    this.#dialect = dialect;
  }

  get priceFactor(): number {
    return this.#dialect.priceFactor;
  }

  get limits(): BatchOffer["limits"] {
    return this.#dialect.limits;
  }

  line(line: number, text: string): string {
    return `${JSON.stringify({ custom_id: lineName(line), ...this.#dialect.line(text) })}\n`;
  }

  async upload(name: string, lines: readonly Buffer[], signal: AbortSignal): Promise<string> {
    const boundary = `autoembed-${randomBytes(16).toString("hex")}`;
    const head =
      `--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n` +
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n` +
      "content-type: application/jsonl\r\n\r\n";
    const parts = [Buffer.from(head), ...lines, Buffer.from(`\r\n--${boundary}--\r\n`)];
    const type = `multipart/form-data; boundary=${boundary}`;
    const path = `${this.#root}/files`;
    return textAt(await this.#http.upload(path, type, parts, signal), path, "id");
  }

  async findFiles(name: string, signal: AbortSignal): Promise<string[]> {
    const files = await this.#list(`${this.#root}/files?${this.#dialect.latestFiles}`, signal);
    return files.filter((file) => at(file, "filename") === name).map((file) => textAt(file, "/files", "id"));
  }

  async create(file: string, tag: string, signal: AbortSignal): Promise<string> {
    const path = `${this.#root}${this.#dialect.jobs}`;
    return textAt(await this.#http.post(path, this.#dialect.job(file, tag), signal), path, "id");
  }

  async find(file: string, tag: string, signal: AbortSignal): Promise<string | undefined> {
    const path = `${this.#root}${this.#dialect.jobs}`;
    const jobs = await this.#list(`${path}?${this.#dialect.latestJobs}`, signal);
    const found = jobs.find((job) => {
      const files = at(job, "input_files");
      return (
        at(job, "input_file_id") === file ||
        (Array.isArray(files) && files.includes(file)) ||
        at(job, "metadata", "autoembed") === tag
      );
    });
    return found === undefined ? undefined : textAt(found, path, "id");
  }

  async look(batch: string, signal: AbortSignal): Promise<BatchProgress> {
    return this.#dialect.progress(await this.#http.get(this.#jobPath(batch), signal));
  }

  async cancel(batch: string, signal: AbortSignal): Promise<void> {
    await this.#http.post(`${this.#jobPath(batch)}/cancel`, {}, signal);
  }

  async *results(file: string, signal: AbortSignal): AsyncGenerator<BatchLine> {
    for await (const line of this.#http.lines(`${this.#filePath(file)}/content`, signal))
      yield readOpenAiLine(line);
  }

  async deleteFile(file: string, signal: AbortSignal): Promise<void> {
    await this.#http.delete(this.#filePath(file), signal);
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  #filePath(file: string): string {
    return `${this.#root}/files/${encodeURIComponent(file)}`;
  }

  #jobPath(batch: string): string {
    return `${this.#root}${this.#dialect.jobs}/${encodeURIComponent(batch)}`;
  }

  async #list(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const items: unknown = at(await this.#http.get(path, signal), "data");
    if (!Array.isArray(items)) throw invalidAnswer(path, "no list");
    return items as unknown[];
  }
}
