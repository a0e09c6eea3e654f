import { sql } from "kysely";
import { CHARACTERS_PER_TOKEN } from "../ledger/learnt.ts";
import { costOf } from "../providers/prices/price-of.ts";
import type { BatchContext } from "./batch-context.ts";

/** Of batches `b`, the characters of the texts whose vectors nobody has read yet. */
export const UNREAD_CHARACTERS = sql`coalesce(sum(b.characters * (1 - b.embedded / greatest(b.lines, 1)::float8)), 0)`;

/**
 * Why no batch is asked for now: the day's budget is used up by what was spent, and by what the provider has and nobody has
 * read yet. Batches of other sources are counted at the price of this one.
 */
export async function whyNotPaid({ budget, db, price }: BatchContext): Promise<string | undefined> {
  const { rows } = await sql<{ characters: number }>`
    select ${UNREAD_CHARACTERS} as characters
    from autoembed.embedding_batch b where b.state in ('submitted', 'reading')`.execute(db);
  const tokens = Math.ceil((rows[0]?.characters ?? 0) / CHARACTERS_PER_TOKEN);
  return budget.exhaustedWith(tokens, costOf(tokens, price) ?? 0);
}
