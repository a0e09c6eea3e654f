import { adoptVectors } from "../queue/adopt-vectors.ts";
import { endPage } from "../pages/end-page.ts";
import { takePage, type TakenPage } from "../pages/take-page.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";
import { fileName, type Batch } from "./batch.ts";
import type { BatchContext } from "./batch-context.ts";
import { BatchFile } from "./batch-file.ts";
import { affordedCharacters, goOnByRequests } from "./money-left.ts";
import { attachPages, findInBatches, releasePages } from "./pages.ts";
import { readPage, type PageRow } from "./read-page.ts";
import { changeBatch, removeBatch } from "./store.ts";

/** How long a page is left alone whose texts are all in other batches. */
const WAIT_MS = 30_000;
/** After a day and more, as long as providers take at most, such a batch is stuck, and the texts are put into this one as well. */
const MOST_WAITS = 3_000;

/**
 * Puts pages into a file until it is full or there are no more, and sends it. @returns the batch, uploaded; undefined
 * where there was nothing to send
 */
export async function fillBatch(context: BatchContext, batch: Batch): Promise<Batch | undefined> {
  const { api, db, owner, signal } = context;
  const afforded = await affordedCharacters(context);
  // What is under way is read first: it may have cost less than was thought.
  if (afforded.characters <= 0 && afforded.unread > 0) {
    await removeBatch(db, batch, owner);
    return undefined;
  }
  const file = new BatchFile({
    ...api.limits,
    lines: Math.min(api.limits.lines, context.texts),
    characters: afforded.characters,
  });
  const taken: string[] = [];
  const own = new Set<string>();
  let isTooDear = false;
  try {
    while (!file.isFull) {
      signal.throwIfAborted();
      const page = await takePage(db, context.source, { owner, held: taken, forBatch: true });
      if (page === undefined) break;
      taken.push(page.id);
      own.add(page.id);
      // One that was let go may be held by this listener's worker by now, under the same owner.
      const add = (): Promise<boolean> => addPage(context, file, page);
      const isOwn = await withReadableKeys(db, [context.source], add, () => Promise.resolve(false));
      if (!isOwn) own.delete(page.id);
    }
    if (file.lines === 0) {
      await removeBatch(db, batch, owner);
      // Not even one text is within the money.
      isTooDear = file.isFull && afforded.unread === 0;
      return undefined;
    }
    const { lines, characters } = file;
    await db.transaction().execute(async (transaction) => {
      await attachPages(transaction, batch, owner, file.parts);
      await changeBatch(transaction, batch, owner, { lines, characters });
    });
  } finally {
    // Those of the file are the batch's by now, or nobody's.
    await releasePages(db, owner, [...own], { forBatch: !isTooDear });
    if (isTooDear) await goOnByRequests(context);
  }
  const input_file = await api.upload(fileName(batch), file.content, signal);
  return await changeBatch(db, batch, owner, { state: "uploaded", input_file, attempts: 0 });
}

/**
 * Adds the texts of a page to the file, or ends the page where it has none. One that does not fit waits for the next.
 * @returns false where the page was ended or let go
 */
async function addPage(context: BatchContext, file: BatchFile, page: TakenPage): Promise<boolean> {
  const { db, model, owner, source } = context;
  if (page.all_since === null) await adoptVectors(db, source, model, page);
  const rows: PageRow[] = [];
  let bytes = 0;
  for await (const row of readPage(db, source, page, context)) {
    rows.push(row);
    bytes += Buffer.byteLength(row.text ?? "");
    if (bytes > file.room) break;
  }
  if (rows.length === 0) {
    await endPage(db, source, { id: page.id, owner, done: 0, againInMs: null });
    return false;
  }
  const hashes = rows.flatMap(({ text, hash }) => (text === null || hash === null ? [] : [hash]));
  const elsewhere =
    page.attempts < MOST_WAITS ? await findInBatches(db, model.id, hashes) : new Set<string>();
  const added = file.add(page.id, rows, elsewhere, (line, text) => context.api.line(line, text));
  if (added === "nothing") await releasePages(db, owner, [page.id], { forBatch: false });
  if (added === "waits") await releasePages(db, owner, [page.id], { forBatch: true, afterMs: WAIT_MS });
  return added === "added" || added === "full";
}
