import type { Turn } from "../providers/traffic/turn.ts";
import { isNext } from "../sources/model-change-names.ts";
import type { SourceContext } from "./source-context.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";

/** What a request with these texts is sent for: a change goes before a backfill, also where it takes texts of one along. */
export function purposeOf(
  { claims, source }: Pick<SourceContext, "claims" | "source">,
  texts: readonly UniqueText[],
): Turn["purpose"] {
  const tickets = ticketsOf(texts);
  if (claims.held.pagedOf(tickets).length < tickets.length) return "change";
  return isNext(source.name) ? "model change" : "backfill";
}
