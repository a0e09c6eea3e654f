import type { BatchLimits } from "../providers/batch/batch-api.ts";
import type { BatchPart } from "./pages.ts";
import type { PageRow } from "./read-page.ts";

/** The input file of a batch while it is put together, in memory: each text once, a line each. */
export class BatchFile {
  readonly #limits: BatchLimits & { readonly characters: number };
  readonly #hashes = new Set<string>();
  readonly content: Buffer[] = [];
  readonly parts: BatchPart[] = [];
  lines = 0;
  characters = 0;
  isFull = false;
  #bytes = 0;

  /** @param limits `characters` are those of all texts together */
  constructor(limits: BatchLimits & { readonly characters: number }) {
    this.#limits = limits;
  }

  /** Bytes that it may still take. */
  get room(): number {
    return this.#limits.bytes - this.#bytes;
  }

  /**
   * Adds what a page has to embed.
   * @param elsewhere hashes of texts that other batches have
   * @returns whether the page belongs to the batch now; `waits` where other batches have all of its texts, `nothing` where
   *   it has none, `full` where they do not fit
   */
  add(
    page: string,
    rows: readonly PageRow[],
    elsewhere: ReadonlySet<string>,
    toLine: (line: number, text: string) => string,
  ): "added" | "waits" | "nothing" | "full" {
    const texts = rows.flatMap(({ key, hash, text }) =>
      text === null || hash === null ? [] : [{ key, hash, text }],
    );
    const own = texts.filter(({ hash }) => !elsewhere.has(hash));
    let waits = own.length < texts.length;
    if (own.length === 0) return waits ? "waits" : "nothing";
    const keys: string[] = [];
    const hashes: string[] = [];
    const lines: Buffer[] = [];
    const seen = new Set<string>();
    let bytes = 0;
    let characters = 0;
    for (const { key, hash, text } of own) {
      if (this.#hashes.has(hash) || seen.has(hash)) continue;
      seen.add(hash);
      const line = Buffer.from(toLine(this.lines + lines.length, text));
      const isTooMany = this.lines + lines.length >= this.#limits.lines;
      const isTooDear = this.characters + characters + text.length > this.#limits.characters;
      if (bytes + line.length > this.room || isTooMany || isTooDear) {
        this.isFull = true;
        if (this.lines > 0) return "full";
        if (lines.length === 0) return "full";
        // A page that is larger than a file: what does not fit goes into another one.
        waits = true;
        break;
      }
      bytes += line.length;
      keys.push(key);
      hashes.push(hash);
      lines.push(line);
      characters += text.length;
    }
    this.parts.push({ page, firstLine: this.lines, keys, hashes, waits });
    for (const hash of hashes) this.#hashes.add(hash);
    if (lines.length > 0) this.content.push(Buffer.concat(lines));
    this.lines += lines.length;
    this.characters += characters;
    this.#bytes += bytes;
    return "added";
  }
}
