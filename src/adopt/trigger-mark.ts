import { sql } from "kysely";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import { TOOLS, type ForeignTrigger } from "./found.ts";

/*
 * Which triggers of another tool are off because of us is written into their comments: there the person who wonders finds
 * it, dumps keep it, and it goes with the trigger.
 */

const MARK = "Switched off by pg-autoembed adopt: ";

const MARKED = z.object({
  source: z.string(),
  tool: z.enum(TOOLS),
  fires: z.string(),
  /** `ai.vectorizer.id` of one that was disabled with it. */
  vectorizer: z.int().optional(),
  /** The comment that the trigger had. */
  comment: z.string().nullable(),
});

type Marked = z.infer<typeof MARKED>;

export type MarkedTrigger = ForeignTrigger & Marked;

/** Part of the transaction that switches the trigger off. A mark that it has already stays. */
export async function markTrigger(
  transaction: Database,
  { table, name }: ForeignTrigger,
  marked: Omit<Marked, "comment">,
): Promise<void> {
  const { rows } = await sql<{ comment: string | null }>`
    select obj_description(g.oid, 'pg_trigger') as comment from pg_trigger g
    where g.tgrelid = format('%I.%I', ${table.schema}::text, ${table.table}::text)::regclass and g.tgname = ${name}`.execute(
    transaction,
  );
  const present = rows[0]?.comment ?? null;
  if (present?.startsWith(MARK) === true) return;
  await comment(transaction, { table, name }, MARK + JSON.stringify({ ...marked, comment: present }));
}

/**
 * The triggers that were switched off for a source.
 * @param table the oid of the table that it watches, on which alone a mark counts; null if it is watched no more
 */
export async function markedTriggers(
  db: Database,
  source: string,
  table: string | null,
): Promise<MarkedTrigger[]> {
  const { rows } = await sql<{ schema: string; table: string; name: string; mark: string }>`
    select n.nspname as schema, c.relname as table, g.tgname as name, substr(d.description, length(${MARK}) + 1) as mark
    from pg_description d join pg_trigger g on d.classoid = 'pg_trigger'::regclass and d.objoid = g.oid
    join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where starts_with(d.description, ${MARK}) and (${table}::oid is null or g.tgrelid = ${table}::oid) order by 1, 2, 3`.execute(
    db,
  );
  return rows.flatMap(({ schema, table, name, mark }) => {
    const marked = readMark(mark);
    return marked?.source === source ? [{ ...marked, table: { schema, table }, name }] : [];
  });
}

/** Undefined if somebody has changed the comment. */
function readMark(mark: string): Marked | undefined {
  try {
    return MARKED.safeParse(JSON.parse(mark)).data;
  } catch {
    return undefined;
  }
}

/** Gives the trigger the comment that it had. */
export async function unmarkTrigger(transaction: Database, trigger: MarkedTrigger): Promise<void> {
  await comment(transaction, trigger, trigger.comment);
}

async function comment(
  transaction: Database,
  { table, name }: Pick<ForeignTrigger, "table" | "name">,
  text: string | null,
): Promise<void> {
  await sql`comment on trigger ${sql.id(name)} on ${sql.id(table.schema, table.table)} is ${text === null ? sql`null` : sql.lit(text)}`.execute(
    transaction,
  );
}
