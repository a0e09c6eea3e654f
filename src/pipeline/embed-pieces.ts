import { embedWithBisection, type EmbedResult } from "../providers/isolate/bisect.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { giveBack } from "./give-back.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";
import type { SourceContext } from "./source-context.ts";
import { partsOf } from "./write-size.ts";
import { writeVectors } from "./write-vectors.ts";

export interface EmbeddedPieces {
  /** Settles when the vectors are written too. */
  readonly written: Promise<unknown>;
}

/**
 * Embeds texts with one request, or more where the provider refuses one of them, and writes back each part as soon as
 * it is there. Never throws: whatever was not settled goes back to pending.
 */
export async function embedPieces(
  work: SourceContext,
  pieces: readonly UniqueText[],
  signal: AbortSignal,
): Promise<EmbeddedPieces> {
  const { provider, settings, events, source } = work;
  const writing: Promise<void>[] = [];
  const waiting = new Set(pieces);
  const take = (index: number): UniqueText => {
    const piece = pieces[index];
    if (piece === undefined) throw new RangeError(`no text ${index} in a batch of ${pieces.length}`);
    waiting.delete(piece);
    return piece;
  };
  const settle = async (settled: EmbedResult): Promise<void> => {
    if (settled.kind === "refused") {
      await giveUp(work, take(settled.index), settled.error);
      return;
    }
    const taken = settled.indices.map(take);
    if (settled.truncated.length > 0) {
      events.emit("truncated", { source: source.name, rows: settled.truncated.length });
    }
    // The lane is free for the next request while the vectors are written.
    for (const { pieces, vectors } of partsOf(work.writeSize, taken, settled.vectors)) {
      await work.writes.start(() => {
        const written = writeVectors(work, pieces, vectors);
        writing.push(written);
        return written;
      });
    }
  };
  const texts = pieces.map((piece) => piece.text);
  try {
    await embedWithBisection(provider, texts, signal, settle, { onTooLong: settings.onTooLong });
  } catch (error) {
    const problem = error instanceof ProviderError ? error.message : "stopping";
    await giveBack(work, ticketsOf([...waiting]), problem, 0);
    if (error instanceof ProviderError) events.emit("troubled", { source: source.name, problem });
  }
  return { written: Promise.all(writing) };
}

async function giveUp(work: SourceContext, piece: UniqueText, error: ProviderError): Promise<void> {
  const rows = await work.claims.fail(piece.tickets, error.message);
  const kind = error.tooLong ? "too_long" : "refused";
  work.events.emit("failed", { source: work.source.name, rows, kind, reason: error.message });
}
