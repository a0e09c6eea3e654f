import { setTimeout as delay } from "node:timers/promises";
import type { SourceContext } from "./source-context.ts";
import { writeVectors, type EmbeddedPart } from "./write-vectors.ts";

/** How long vectors that nothing takes are held before they are written again; doubled each time. */
const FIRST_HOLD_MS = 250;
const LONGEST_HOLD_MS = 30_000;

/** Holds vectors that nothing takes until something does, or the listener must stop. Never throws. */
export async function holdVectors(context: SourceContext, part: EmbeddedPart): Promise<void> {
  const { events, loop, source, unkept } = context;
  const signal = loop.aborting;
  const outcome = await unkept.hold(async () => {
    for (let holdMs = FIRST_HOLD_MS; ;) {
      const outcome = await writeVectors(context, part);
      if (outcome !== "held") return outcome;
      // At the deadline they are written once more.
      await delay(holdMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      holdMs = Math.min(2 * holdMs, LONGEST_HOLD_MS);
    }
  });
  if (outcome === "written" && unkept.isEmpty && !signal.aborted)
    events.emit("source_recovered", { source: source.name });
}
