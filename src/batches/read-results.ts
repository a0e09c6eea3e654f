import { VectorArray, VectorError } from "../database/vector-array.ts";
import type { BatchLine } from "../providers/batch/batch-api.ts";
import { isDatabaseError, isOutage } from "../database/database-fault.ts";
import { cacheVectors } from "../queue/cache-unwritten.ts";
import { costOf } from "../providers/prices/price-of.ts";
import { isNext } from "../sources/model-change-names.ts";
import { writeBack, type WriteBack } from "../queue/write-back.ts";
import { WriteSize } from "../pipeline/write-size.ts";
import type { Batch } from "./batch.ts";
import type { BatchContext } from "./batch-context.ts";
import { readParts } from "./pages.ts";
import { recordWritten } from "./record-written.ts";
import { CHARACTERS_PER_TOKEN } from "../ledger/learnt.ts";

/** Vectors that are held before they are written. */
const HELD = 128;

type Vector = Extract<BatchLine, { kind: "vector" }>;

interface Text {
  readonly key: string;
  readonly hash: string;
}

/**
 * Writes the vectors of an output file, in the order in which its lines come, as those of requests are: each only where the
 * row still has the text that was sent. After a crash it goes on with the first line that was not recorded.
 * @returns how many texts the provider has refused, by lines of this file
 */
export async function readResults(context: BatchContext, batch: Batch, file: string): Promise<number> {
  const texts = await textsByLine(context, batch);
  const size = new WriteSize();
  // Where the provider reports none.
  const tokensPerLine = batch.characters / Math.max(1, batch.lines) / CHARACTERS_PER_TOKEN;
  let [read, refused] = [0, 0];
  let held: Vector[] = [];
  const flush = async (): Promise<void> => {
    let [embedded, rows] = [0, 0];
    for (const lines of size.cut(held)) {
      const started = performance.now();
      const part = await writePart(context, texts, lines, tokensPerLine);
      const writeMs = performance.now() - started;
      size.wrote(part.rows, writeMs);
      report(context, { ...part, writeMs });
      embedded += part.embedded;
      rows += part.rows;
    }
    held = [];
    await recordWritten(context.db, batch, context.owner, { read, embedded, rows });
  };
  for await (const line of context.api.results(file, context.signal)) {
    read++;
    if (line.kind === "refused") refused++;
    if (read <= batch.lines_read) continue;
    if (line.kind === "vector") held.push(line);
    if (held.length >= HELD) await flush();
  }
  await flush();
  return refused;
}

/** Counts the texts that a provider has refused, by its file of errors: their rows are tried by requests, which say why. */
export async function countRefused({ api, signal }: BatchContext, file: string): Promise<number> {
  let refused = 0;
  for await (const line of api.results(file, signal)) if (line.kind === "refused") refused++;
  return refused;
}

async function textsByLine({ db }: BatchContext, batch: Batch): Promise<ReadonlyMap<number, Text>> {
  const texts = new Map<number, Text>();
  for (const { firstLine, keys, hashes } of await readParts(db, batch))
    for (const [i, key] of keys.entries()) {
      const hash = hashes[i] ?? "";
      // Rows that were erased have none.
      if (hash !== "") texts.set(firstLine + i, { key, hash });
    }
  return texts;
}

/** Leaves out vectors that cannot be stored, and lines that the batch did not have: their rows are embedded otherwise. */
async function writePart(
  context: BatchContext,
  texts: ReadonlyMap<number, Text>,
  lines: readonly Vector[],
  tokensPerLine: number,
): Promise<{ readonly rows: number; readonly embedded: number; readonly tokens: number }> {
  const { dimensions, model: ledgerModel, pgvector } = context;
  const all = new VectorArray(lines.length, dimensions);
  const good: Text[] = [];
  for (const line of lines) {
    const text = texts.get(line.line);
    if (text !== undefined && isStored(line, all, good.length)) good.push(text);
  }
  const tokens = Math.ceil(lines.reduce((sum, line) => sum + (line.tokens ?? tokensPerLine), 0));
  if (good.length === 0) return { rows: 0, embedded: 0, tokens };
  const vectors = all.slice(0, good.length);
  const rows = good.map(({ key }, position) => ({ ticket: String(position), ctid: null, key, position }));
  const hashes = good.map(({ hash }) => hash);
  const written = await write(context, { rows, hashes, vectors, ledgerModel, pgvector });
  return { rows: written, embedded: good.length, tokens };
}

/** Decodes a vector into its place. @returns whether it can be stored; else the place is free for the next */
function isStored({ vector }: Vector, vectors: VectorArray, index: number): boolean {
  try {
    if (typeof vector === "string") vectors.setBase64(index, vector);
    else if (Array.prototype.every.call(vector, (float) => typeof float === "number"))
      vectors.setFloats(index, vector as ArrayLike<number>);
    else return false;
  } catch (error) {
    if (error instanceof VectorError) return false;
    throw error;
  }
  return true;
}

/** Where the table does not take the vectors of a part, they are cached: the listeners write them row by row. */
async function write({ writer, db, source }: BatchContext, batch: WriteBack): Promise<number> {
  try {
    const outcomes = await writeBack(writer, source, batch);
    return outcomes.filter(({ written }) => written).length;
  } catch (error) {
    if (!isDatabaseError(error) || isOutage(error)) throw error;
    await cacheVectors(db, source, batch);
    return 0;
  }
}

function report(
  { events, source, usageModel, price }: BatchContext,
  part: {
    readonly embedded: number;
    readonly rows: number;
    readonly tokens: number;
    readonly writeMs: number;
  },
): void {
  const { embedded: texts, rows, tokens, writeMs } = part;
  events.emit("answered", {
    source: source.name,
    model: usageModel,
    purpose: isNext(source.name) ? "model change" : "backfill",
    cost: costOf(tokens, price),
    texts,
    characters: 0,
    tokens,
    // What they were paid for is known, and not how many characters they had.
    areTokensEstimated: true,
    milliseconds: 0,
    isFull: false,
  });
  if (rows === 0) return;
  events.emit("embedded", { source: source.name, rows, freshnessMs: [], writeMs });
  events.emit("paged", { source: source.name, rows });
}
