import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

/** A tar is in blocks: a header, then a file's bytes, filled up to a whole block. */
const BLOCK = 512;
const IS_FOLDER = "5";

/**
 * Writes the files and folders of a tar, for their owner alone, while it is read: no more of it is in memory than a few
 * chunks. Files are written synchronously, since four threads of the pool would take 60 MB for it.
 * It knows the tars that the embedded Postgres makes: names of at most 100 bytes, files and folders.
 */
export async function untar(tar: AsyncIterable<Buffer>, folder: string): Promise<void> {
  const bytes = new ByteReader(tar);
  mkdirSync(folder, { mode: 0o700 });
  for (;;) {
    const header = await bytes.exactly(BLOCK);
    const name = textAt(header, 0, 100);
    if (name === "") return;
    const path = join(folder, name);
    const isFolder = textAt(header, 156, 1) === IS_FOLDER;
    mkdirSync(isFolder ? path : dirname(path), { recursive: true, mode: 0o700 });
    if (!isFolder) await writeFileOf(bytes, Number.parseInt(textAt(header, 124, 12), 8), path);
  }
}

async function writeFileOf(bytes: ByteReader, size: number, path: string): Promise<void> {
  const file = openSync(path, "w", 0o600);
  try {
    for (let missing = size; missing > 0;) {
      const part = await bytes.atMost(missing);
      writeSync(file, part);
      missing -= part.length;
    }
  } finally {
    closeSync(file);
  }
  await bytes.exactly((BLOCK - (size % BLOCK)) % BLOCK);
}

function textAt(header: Buffer, from: number, length: number): string {
  return header.toString("utf8", from, from + length).replace(/\0[^]*$/, "");
}

class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #left: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** @returns the next bytes, one at least */
  async atMost(count: number): Promise<Buffer> {
    while (this.#left.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error("The tar ends too early.");
      this.#left = next.value;
    }
    const part = this.#left.subarray(0, count);
    this.#left = this.#left.subarray(part.length);
    return part;
  }

  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0;) {
      const part = await this.atMost(missing);
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }
}
