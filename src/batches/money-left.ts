import { sql } from "kysely";
import { charactersPerToken, readLearnt } from "../ledger/learnt.ts";
import type { BatchContext } from "./batch-context.ts";
import { UNREAD_CHARACTERS } from "./unread-cost.ts";

interface Afforded {
  /** That another batch may have; infinite without a limit, 0 and less where the money is used up. */
  readonly characters: number;
  /** Of batches of the source that the provider has, or is to get, and that nobody has read yet. */
  readonly unread: number;
}

/** How much of a source's texts the money of its backfill is enough for, by batch, by what its tokens were so far. */
export async function affordedCharacters({
  db,
  price,
  source,
  unwrittenCost,
  usageModel,
}: BatchContext): Promise<Afforded> {
  const unwritten = unwrittenCost();
  const { rows } = await sql<{ left: number | null; unread: number }>`
    select f.spends_at_most - f.spent as left,
      (select ${UNREAD_CHARACTERS} from autoembed.embedding_batch b
        where b.source_id = f.source_id and b.state not in ('filling', 'cleaning')) as unread
    from autoembed.embedding_backfill f where f.source_id = ${source.id}`.execute(db);
  const { left = null, unread = 0 } = rows[0] ?? {};
  if (left === null || price === undefined || price === 0) return { characters: Infinity, unread };
  const learnt = await readLearnt(db, source.id, usageModel);
  const perToken = charactersPerToken(learnt);
  return { characters: Math.floor(((left - unwritten) / price) * 1e6 * perToken - unread), unread };
}

/** Has what no batch has yet embedded by requests: they stop where the money is spent. */
export async function goOnByRequests({ db, source }: BatchContext): Promise<void> {
  await sql`
    with backfill as (
      update autoembed.embedding_backfill set in_batches = false where source_id = ${source.id} returning source_id
    )
    update autoembed.embedding_page p set for_batch = false from backfill f
    where p.source_id = f.source_id and p.batch_id is null and p.owner is null`.execute(db);
}
