import { ProviderError } from "../providers/provider-error.ts";
import type { BatchProgress } from "../providers/batch/batch-api.ts";
import { fileName, type Batch } from "./batch.ts";
import type { BatchContext } from "./batch-context.ts";
import { fillBatch } from "./fill.ts";
import { detachPages, freePages, hasPages } from "./pages.ts";
import { countRefused, readResults } from "./read-results.ts";
import { changeBatch, checkOwner, leaveBatch, LONGEST_RETRY_MS, removeBatch } from "./store.ts";
import { whyNotPaid } from "./unread-cost.ts";

/** A batch is looked at after a tenth of the time that it has been under way. */
const SHORTEST_LOOK_MS = 1_000;
const LONGEST_LOOK_MS = 60_000;
/** One that the day's budget lets nobody ask for. */
const BUDGET_LOOK_MS = 10_000;
/** A step that has failed is done again, later each time. */
const FIRST_RETRY_MS = 2_000;
/** A thing at the provider that is said so often not to be there is lost. */
const MOST_MISSES = 3;
/** What a provider may answer when a batch is asked for whose file it does not have; its words may quote a line. */
const SAID_OF_LOST_FILES = [400, 403, 404];
/** More texts without a vector than these, and than that part of a batch, are worth another batch. */
const FEW_TEXTS = 100;
const SMALL_PART = 0.05;

/** The provider does not have the batch: it can be asked for again without being looked for. */
class NotTaken extends Error {
  override readonly name = "NotTaken";
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Takes a batch as far as it goes now, and lets it go. A failure of the provider is recorded, and the step is done again
 * later. @param first in place of the batch's own next step
 * @returns false where there was nothing to do
 */
export async function advanceBatch(
  context: BatchContext,
  taken: Batch,
  first: typeof step = step,
): Promise<boolean> {
  const { db, owner, signal } = context;
  let batch = taken;
  try {
    for (let doStep = first; ; doStep = step) {
      signal.throwIfAborted();
      const next = await doStep(context, batch);
      if (next === undefined) return batch !== taken;
      if (typeof next === "number") {
        await leaveBatch(db, batch, owner, { afterMs: next });
        return true;
      }
      batch = next;
    }
  } catch (error) {
    await leaveFailed(context, batch, error);
    return true;
  }
}

/** @throws what is no failure of the provider */
async function leaveFailed(
  { db, owner, source, events, signal }: BatchContext,
  batch: Batch,
  error: unknown,
): Promise<void> {
  if (signal.aborted || !(error instanceof ProviderError || error instanceof NotTaken)) {
    const afterMs = signal.aborted ? 0 : FIRST_RETRY_MS;
    await leaveBatch(db, batch, owner, { afterMs }).catch(() => undefined);
    throw error;
  }
  const { message: problem, retryAfterMs = 0 } = error;
  const afterMs = Math.max(FIRST_RETRY_MS * 2 ** Math.min(batch.attempts, 10), retryAfterMs);
  const isRefused = error instanceof NotTaken;
  await leaveBatch(db, batch, owner, { afterMs: Math.min(afterMs, LONGEST_RETRY_MS), problem, isRefused });
  events.emit("source_failing", { source: source.name, problem: `batch: ${problem}` });
}

/** @returns the batch as it is then; undefined where it is gone, or how many milliseconds it is to be left alone */
async function step(context: BatchContext, batch: Batch): Promise<Batch | number | undefined> {
  if (batch.model_id !== context.model.id && batch.state !== "cleaning" && batch.state !== "filling")
    return await giveUp(context, batch);
  switch (batch.state) {
    case "filling":
      return await undoFilling(context, batch);
    case "uploaded":
      return await askFor(context, batch);
    case "creating":
      return await createOnce(context, batch);
    case "submitted":
      return await look(context, batch);
    case "reading":
      return await writeResults(context, batch);
    case "cleaning":
      await clean(context, batch);
      return undefined;
  }
}

/**
 * The process that was filling it has died, or could not send the file, or the provider has lost it: nothing is asked for.
 * One that could not be sent is filled again as the same batch, so that it is sent later each time, and says why.
 */
async function undoFilling(context: BatchContext, batch: Batch): Promise<Batch | undefined> {
  const { api, db, model, owner, signal } = context;
  for (const file of await api.findFiles(fileName(batch), signal)) await api.deleteFile(file, signal);
  if (batch.attempts > 0 && batch.model_id === model.id) {
    await freePages(db, batch, owner);
    return await fillBatch(context, batch);
  }
  await removeBatch(db, batch, owner);
  return undefined;
}

/** Settings were changed since: its vectors would be another model's. Its pages are free. */
async function giveUp(context: BatchContext, batch: Batch): Promise<Batch> {
  const { api, db, owner, signal, source } = context;
  if (batch.provider_batch !== null) await api.cancel(batch.provider_batch, signal).catch(() => undefined);
  await detachPages(db, batch, owner, source.id, true);
  return await changeBatch(db, batch, owner, { state: "cleaning" });
}

async function askFor(context: BatchContext, batch: Batch): Promise<Batch | number> {
  const { db, owner } = context;
  const isTooLarge = batch.attempts > 0 && batch.lines > context.texts;
  if (isTooLarge || !(await hasPages(db, batch))) return await giveUp(context, batch);
  if ((await whyNotPaid(context)) !== undefined) return BUDGET_LOOK_MS;
  return await create(context, await changeBatch(db, batch, owner, { state: "creating" }));
}

async function create(context: BatchContext, batch: Batch): Promise<Batch> {
  try {
    return await submitted(
      context,
      batch,
      await context.api.create(batch.input_file ?? "", batch.tag, context.signal),
    );
  } catch (error) {
    if (!(error instanceof ProviderError) || error.status === undefined) throw error;
    if (error.status >= 500 || error.status === 408 || error.status < 300) throw error;
    if (await isFileLost(context, batch, error.status)) return await sendAgain(context, batch);
    throw new NotTaken(error.message, error.retryAfterMs);
  }
}

/** Google deletes files after two days, and a batch may have been refused for longer. @param status of the refusal */
async function isFileLost({ api, signal }: BatchContext, batch: Batch, status: number): Promise<boolean> {
  if (!SAID_OF_LOST_FILES.includes(status) || batch.attempts + 1 < MOST_MISSES) return false;
  const files = await api.findFiles(fileName(batch), signal);
  return batch.input_file === null || !files.includes(batch.input_file);
}

/** Its texts are read again, into a new file of the same batch: some may have changed or be embedded by now. */
async function sendAgain({ db, api, owner, signal }: BatchContext, batch: Batch): Promise<Batch> {
  // A file that was not among the latest may still be there.
  if (batch.input_file !== null) await api.deleteFile(batch.input_file, signal);
  return await changeBatch(db, batch, owner, { state: "filling", input_file: null });
}

/** It was asked for, and the answer is not known: it is looked for first, so that it is not paid for twice. */
async function createOnce(context: BatchContext, batch: Batch): Promise<Batch | number> {
  const { api, db, owner, signal } = context;
  const found = await api.find(batch.input_file ?? "", batch.tag, signal);
  if (found === undefined && (await whyNotPaid(context)) !== undefined) return BUDGET_LOOK_MS;
  await checkOwner(db, batch, owner);
  return found === undefined ? await create(context, batch) : await submitted(context, batch, found);
}

async function submitted({ db, owner }: BatchContext, batch: Batch, provider_batch: string): Promise<Batch> {
  return await changeBatch(db, batch, owner, {
    state: "submitted",
    provider_batch,
    submitted_at: new Date(),
  });
}

async function look(context: BatchContext, batch: Batch): Promise<Batch | number> {
  const { api, db, owner, signal } = context;
  const progress = await unlessLost(batch, () => api.look(batch.provider_batch ?? "", signal), LOST);
  if (progress.kind === "running") {
    const expires_at = progress.expiresAt ?? null;
    await changeBatch(db, batch, owner, { expires_at, attempts: 0 });
    return Math.min(Math.max((batch.submitted_ms ?? 0) / 10, SHORTEST_LOOK_MS), LONGEST_LOOK_MS);
  }
  if (progress.kind === "failed") {
    const remedy = progress.isQuota
      ? "Too many tokens are waiting there: it is asked for again later. If no other batch is under way, set EMBED_BATCH_API_TEXTS to fewer."
      : "It is asked for again later; a backfill without --batch embeds its rows by requests.";
    throw new NotTaken(`the provider failed it (${progress.reason}). ${remedy}`);
  }
  const { outputFile, errorFile } = progress;
  return await changeBatch(db, batch, owner, {
    state: "reading",
    output_file: outputFile ?? null,
    error_file: errorFile ?? null,
    attempts: 0,
  });
}

const LOST: BatchProgress = { kind: "ended", outputFile: undefined, errorFile: undefined };

async function writeResults(context: BatchContext, batch: Batch): Promise<Batch> {
  const { db, owner, source } = context;
  const { output_file, error_file } = batch;
  let refused = 0;
  if (output_file !== null)
    refused += await unlessLost(batch, () => readResults(context, batch, output_file), 0);
  if (error_file !== null) refused += await unlessLost(batch, () => countRefused(context, error_file), 0);
  const read = await changeBatch(db, batch, owner, { refused });
  const lost = read.lines - read.embedded - read.refused;
  await detachPages(db, batch, owner, source.id, lost > Math.max(FEW_TEXTS, SMALL_PART * read.lines));
  return await changeBatch(db, batch, owner, { state: "cleaning" });
}

async function clean({ api, db, owner, signal }: BatchContext, batch: Batch): Promise<undefined> {
  const { input_file, output_file, error_file } = batch;
  for (const file of [input_file, output_file, error_file])
    if (file !== null) await api.deleteFile(file, signal);
  await removeBatch(db, batch, owner);
}

/** What has been said often enough not to be there is taken for lost. */
async function unlessLost<T>({ attempts }: Batch, ask: () => Promise<T>, lost: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404 && attempts + 1 >= MOST_MISSES) return lost;
    throw error;
  }
}
