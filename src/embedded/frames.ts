/** The wire protocol's units: a type byte, an int32 length that counts itself, a body. */

/** Postgres' own limit for a message. */
const LARGEST_FRAME = 0x3fffffff;
/** And for a client's first message, which comes before it says who it is. */
const LARGEST_STARTUP = 10_000;

/** Makes a frame. Strings in the body are written with a closing zero byte. */
export function frame(type: string, ...body: (string | Buffer)[]): Buffer {
  const parts = body.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part));
  const head = Buffer.alloc(5);
  head.write(type, "latin1");
  head.writeInt32BE(4 + parts.reduce((sum, part) => sum + part.length, 0), 1);
  return Buffer.concat([head, ...parts]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function typeOf(bytes: Buffer): string {
  return String.fromCharCode(bytes[0] ?? 0);
}

/** The zero-terminated string at `offset`. */
export function stringAt(bytes: Buffer, offset: number): string {
  return bytes.toString("utf8", offset, bytes.indexOf(0, offset));
}

/** The frames of a complete answer, as views into it. */
export function* framesOf(answer: Buffer): Generator<Buffer> {
  for (let start = 0; start < answer.length;) {
    const end = start + 1 + answer.readInt32BE(start + 1);
    yield answer.subarray(start, end);
    start = end;
  }
}

export interface ErrorFields {
  readonly severity: "ERROR" | "FATAL";
  /** SQLSTATE */
  readonly code: string;
  readonly message: string;
}

export function errorResponse({ severity, code, message }: ErrorFields): Buffer {
  return frame("E", `S${severity}`, `V${severity}`, `C${code}`, `M${message}`, Buffer.alloc(1));
}

/**
 * Cuts a client's bytes into frames. Chunks are joined when a frame is complete, so that a bind of 60 MB is copied once
 * and not once per chunk.
 */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /**
   * The next complete frame. Until the startup packet, frames have no type byte.
   * @throws {RangeError} if the length is impossible: the rest of the stream cannot be read.
   */
  next(typed: boolean): Buffer | undefined {
    const head = typed ? 1 : 0;
    if (this.#length < head + 4) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < head + 4) this.#join();
    const length = (this.#chunks[0]?.readInt32BE(head) ?? 0) + head;
    if (length < head + 4 || length > (typed ? LARGEST_FRAME : LARGEST_STARTUP))
      throw new RangeError("invalid message length");
    if (this.#length < length) return undefined;
    const all = this.#join();
    this.#chunks = length < all.length ? [all.subarray(length)] : [];
    this.#length -= length;
    return all.subarray(0, length);
  }

  #join(): Buffer {
    const [only] = this.#chunks;
    const all = only && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}
