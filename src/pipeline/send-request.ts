import { embedWithBisection } from "../providers/isolate/bisect.ts";
import type { EmbedResult } from "../providers/isolate/embed-result.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { holdVectors } from "./hold-vectors.ts";
import type { SourceContext } from "./source-context.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";
import { purposeOf } from "./purpose-of.ts";
import { partsOf } from "./write-size.ts";
import { writeVectors } from "./write-vectors.ts";

/** What fails in a way that nobody foresaw would fail again at once. */
const UNEXPECTED_DELAY_MS = 10_000;

/**
 * Embeds texts with one request, or with more where the provider refuses one of them, and writes the vectors of each part
 * as soon as they are there. Never throws: rows without a result are released.
 * @returns when the provider has answered; `written` resolves when the vectors are written too.
 */
export async function sendRequest(
  context: SourceContext,
  texts: readonly UniqueText[],
  signal: AbortSignal,
): Promise<{ readonly written: Promise<unknown> }> {
  const { provider, settings, events, source, claims, loop, writes, writeSize } = context;
  const writing: Promise<void>[] = [];
  const unanswered = new Set(texts);
  const answered = (index: number): UniqueText => {
    const text = texts[index];
    if (text === undefined) throw new RangeError(`no text ${index} in a request of ${texts.length}`);
    unanswered.delete(text);
    return text;
  };
  const onResult = async (result: EmbedResult): Promise<void> => {
    if (result.kind === "refused") {
      const { message: reason, tooLong } = result.error;
      await claims.fail(answered(result.index).tickets, { kind: tooLong ? "too_long" : "refused", reason });
      return;
    }
    const embedded = result.indices.map(answered);
    if (result.truncated.length > 0) {
      events.emit("truncated", { source: source.name, rows: result.truncated.length });
    }
    // As they are held now: at a deadline they are released while a part waits, and what was paid for is cached.
    const parts = partsOf(writeSize, embedded, result.vectors).map((part) => ({
      ...part,
      rows: part.texts.flatMap((text, position) =>
        text.tickets.map((ticket) => ({ ...claims.held.rowOf(ticket), position })),
      ),
    }));
    // The next request is sent while the vectors are written; what is held keeps no other write waiting.
    for (const part of parts) {
      await writes.start(async () => {
        const outcome = writeVectors(context, part);
        writing.push(
          outcome.then(async (outcome) => {
            if (outcome === "held") await holdVectors(context, part);
          }),
        );
        await outcome;
      });
    }
  };
  const inputs = texts.map(({ text }) => text);
  try {
    const turn = { purpose: purposeOf(context, texts) };
    await embedWithBisection(provider, inputs, signal, onResult, { onTooLong: settings.onTooLong, turn });
  } catch (error) {
    // A stop ends what waits for its turn or for another try: nothing is wrong with the provider.
    const problem = signal.aborted || loop.stopping.aborted ? undefined : problemOf(error);
    const delayMs = error instanceof ProviderError || problem === undefined ? 0 : UNEXPECTED_DELAY_MS;
    await claims.release(ticketsOf([...unanswered]), problem ?? "stopping", delayMs);
    if (problem !== undefined) events.emit("source_failing", { source: source.name, problem });
  }
  return { written: Promise.all(writing) };
}

/** Of an unexpected error the name alone: its message may quote a text. */
function problemOf(error: unknown): string {
  if (error instanceof ProviderError) return error.message;
  return `an unexpected error (${error instanceof Error ? error.name : typeof error})`;
}
