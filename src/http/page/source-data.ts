import { failuresByReason, type FailuresOfReason } from "../../queue/failures.ts";
import { isChunked, type ChunkedSource } from "../../sources/chunked-source.ts";
import { loadSources } from "../../sources/load-sources.ts";
import type { Source } from "../../sources/source.ts";
import { placeOfSource, type Egress } from "../../status/egress.ts";
import { latestRows, type EmbeddedRow } from "../../status/latest-rows.ts";
import { usageByDay, type UsageOfDay } from "../../status/usage-by-day.ts";
import { SHOWN_DAYS, type PageContext, type PageSource } from "./page-data.ts";

/** What a source's own page shows: settings, counts, keys and reasons, never a text. */
export interface SourceView {
  readonly at: Date;
  readonly counted: PageSource;
  /** Undefined while nothing can be embedded: see `counted.problem`. */
  readonly source: Source | ChunkedSource | undefined;
  /** The other half of a text in chunks: the source of the chunks, or that of the texts. */
  readonly partner: string | undefined;
  readonly sent: Pick<Egress, "host" | "leaves" | "destination" | "problem"> | undefined;
  readonly week: readonly UsageOfDay[];
  readonly reasons: readonly FailuresOfReason[];
  /** Undefined if they are not looked for: of a text in chunks, and in a large ledger. */
  readonly latest: readonly EmbeddedRow[] | undefined;
}

const SHOWN_FAILURES = 20;
const SHOWN_ROWS = 10;

/** Undefined if no source has that name. */
export async function collectSource(
  { db, config, data }: PageContext,
  name: string,
): Promise<SourceView | undefined> {
  const { at, sources } = await data.get();
  const counted = sources.find((source) => source.name === name);
  if (counted === undefined) return undefined;
  const { usable, chunked } = await loadSources(db);
  const source = [...usable, ...chunked].find(({ id }) => id === counted.id);
  const embedder =
    source !== undefined && isChunked(source) ? usable.find(({ id }) => id === source.embeddedBy) : source;
  const parent = chunked.find(({ embeddedBy }) => embeddedBy === counted.id);
  return {
    at,
    counted,
    source,
    partner: parent?.name ?? (embedder === source ? undefined : embedder?.name),
    sent: embedder === undefined ? undefined : await placeOfSource(config, embedder),
    week: await usageByDay(db, SHOWN_DAYS, [counted.id, ...(embedder === undefined ? [] : [embedder.id])]),
    reasons: await failuresByReason(db, name, SHOWN_FAILURES),
    latest:
      embedder === source && source !== undefined ? await latestRows(db, source.id, SHOWN_ROWS) : undefined,
  };
}
