import { groupBy } from "./group-by.ts";
import type { ClaimedRow, ClaimState } from "../queue/claim-state.ts";
import {
  clearVectors,
  dropDeletedRows,
  failOrTruncateTooLong,
  failUnreadable,
  releaseInProgress,
  releaseLocked,
} from "./handle-without-embedding.ts";
import type { RequestBatch } from "./request-batch.ts";
import type { SourceContext } from "./source-context.ts";
import { startWritingCached } from "./write-cached-vectors.ts";

/** A claimed row's state, and what this process adds: whether it has the text already, and whether it is too long. */
type RowState =
  Exclude<ClaimState, "in_progress"> | "in_progress_here" | "in_progress_elsewhere" | "too_long";

/** May throw: it releases the rows first that it has not ended or added to the batch; `#drain` releases what is unsent. */
type Handler = (
  context: SourceContext,
  rows: readonly ClaimedRow[],
  batch: RequestBatch,
) => Promise<void> | void;

const handlers: Readonly<Record<RowState, Handler>> = {
  new: (_context, rows, batch) => {
    batch.add(rows);
  },
  in_progress_here: (_context, rows, batch) => {
    batch.attach(rows);
  },
  in_progress_elsewhere: releaseInProgress,
  cached: startWritingCached,
  blank: clearVectors,
  deleted: dropDeletedRows,
  unreadable: failUnreadable,
  locked: releaseLocked,
  too_long: failOrTruncateTooLong,
};

/** Hands each of the claimed rows to the handler of its state. */
export async function route(
  context: SourceContext,
  rows: readonly ClaimedRow[],
  batch: RequestBatch,
): Promise<void> {
  const byState = groupBy(rows, (row) => stateOf(row, batch));
  await Promise.all(
    [...byState].map(async ([state, rows]) => {
      await handlers[state](context, rows, batch);
    }),
  );
}

function stateOf(row: ClaimedRow, batch: RequestBatch): RowState {
  const { state } = row;
  if (state !== "new" && state !== "in_progress") return state;
  if (batch.hasText(row)) return "in_progress_here";
  if (state === "in_progress") return "in_progress_elsewhere";
  return row.too_long ? "too_long" : "new";
}
