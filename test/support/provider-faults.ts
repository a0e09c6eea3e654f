/** What the scripted server can do in place of answering; a number is a status with a plausible body. */
export type Fault =
  | number
  | "hang"
  | "reset"
  | "drop mid-body"
  | "slow drip"
  | "out of order"
  | "one too few"
  | "one too many"
  | "a gap"
  | "duplicate index"
  | "index out of range"
  | "no index"
  | "NaN"
  | "null"
  | "infinity"
  | "beyond a float"
  | "wrong dimension"
  | "one short vector"
  | "200 with an error"
  | "redirect"
  | "garbled JSON"
  | "truncated base64"
  | "empty body"
  | AnswerFault;

/** An answer spelled out. */
interface AnswerFault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface WireItem {
  index?: number;
  embedding: string | (number | null)[];
}

/** Spoils the vectors of an answer; undefined when this fault is of another kind. */
export function spoil(fault: Fault | undefined, items: WireItem[]): WireItem[] | undefined {
  const [first] = items;
  if (first === undefined) return items;
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the rest are not about vectors
  switch (fault) {
    case "out of order":
      return items.toReversed();
    case "one too few":
      return items.slice(0, -1);
    case "a gap":
      return items.filter((_, i) => i !== 1);
    case "one too many":
      return [...items, { ...first, index: items.length }];
    case "duplicate index":
      return items.map((item) => ({ ...item, index: 0 }));
    case "index out of range":
      return items.map((item, i) => ({ ...item, index: i + 1 }));
    case "no index":
      return items.map(({ embedding }) => ({ embedding }));
    case "NaN":
      return withFirst(items, (floats) => [Number.NaN, ...floats.slice(1)]);
    case "null":
      return items.map((item) => ({ ...item, embedding: [null, ...floatsOf(item.embedding).slice(1)] }));
    case "infinity":
      return withFirst(items, (floats) => [Number.POSITIVE_INFINITY, ...floats.slice(1)]);
    // A number that JSON can write and a float32 cannot hold.
    case "beyond a float":
      return items.map((item) => ({ ...item, embedding: [1e39, ...floatsOf(item.embedding).slice(1)] }));
    case "wrong dimension":
      return items.map((item) => ({ ...item, embedding: reshape(item.embedding, (f) => [...f, 0.5]) }));
    case "one short vector":
      return withFirst(items, (floats) => floats.slice(1));
    case "truncated base64":
      return items.map((item) => ({
        ...item,
        embedding: typeof item.embedding === "string" ? item.embedding.slice(0, -6) : item.embedding,
      }));
    default:
      return undefined;
  }
}

function withFirst(items: WireItem[], change: (floats: number[]) => number[]): WireItem[] {
  return items.map((item, i) => (i === 0 ? { ...item, embedding: reshape(item.embedding, change) } : item));
}

/** Changes the floats and keeps the encoding, so that a fault hits base64 and plain floats alike. */
function reshape(
  embedding: WireItem["embedding"],
  change: (floats: number[]) => number[],
): WireItem["embedding"] {
  const floats = change(floatsOf(embedding));
  return typeof embedding === "string" ? toBase64(Float32Array.from(floats)) : floats;
}

function floatsOf(embedding: WireItem["embedding"]): number[] {
  if (typeof embedding !== "string") return embedding.map(Number);
  const bytes = Uint8Array.from(Buffer.from(embedding, "base64"));
  return Array.from(new Float32Array(bytes.buffer));
}

export function toBase64(floats: Float32Array<ArrayBuffer>): string {
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64");
}
