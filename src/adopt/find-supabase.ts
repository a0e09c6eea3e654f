import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { sqlName } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { findTable, type FoundTable } from "../watch/find-table.ts";
import { chooseOne } from "./choose-one.ts";
import { hasTable, triggersOf } from "./foreign-triggers.ts";
import type { Found, Hints } from "./found.ts";
import { textOfFunction } from "./text-of-function.ts";

const QUEUE = "embedding_jobs";

/**
 * A table with Supabase's automatic embeddings: triggers of `queue_embeddings(content function, vector column)` send its
 * rows to a queue of pgmq; others of `clear_column` may empty the vector first.
 */
export async function findSupabase(db: Database, hints: Hints): Promise<Found> {
  const { rows } = await sql<{ schema: string; table: string }>`
    select distinct n.nspname as schema, c.relname as table
    from pg_trigger g join pg_proc p on p.oid = g.tgfoid
    join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where p.proname = 'queue_embeddings' and not g.tgisinternal order by 1, 2`.execute(db);
  const tables = rows.map((table) => ({ name: sqlName(table) }));
  const named = hints.table ?? hints.name;
  const spelled = named === undefined || named.includes(".") ? named : `public.${named}`;
  const { name } = chooseOne(tables, spelled, "supabase", "table with Supabase's automatic embeddings");
  const table = await findTable(db, name);
  const triggers = await triggersOf(db, table, sql`p.proname in ('queue_embeddings', 'clear_column')`);
  const [contentFunction, column] = argumentsOfOne(name, triggers, hints.vector);
  const messages = { queue: QUEUE, isOurs: isOfTable(table, column) };
  return {
    tool: "supabase",
    name,
    table,
    text: hints.text ?? (await textOfFunction(db, table, contentFunction)),
    key: hints.key ?? ["id"],
    kept: { as: "column", column },
    model: null,
    triggers: triggers.filter((trigger) => trigger.arguments.includes(column)),
    workers: (await hasTable(db, `pgmq.q_${QUEUE}`)) ? { messages } : {},
    outdated: (await hasTable(db, `pgmq.q_${QUEUE}`))
      ? [sql`select m.message ->> 'id' as key from pgmq.${sql.id(`q_${QUEUE}`)} m where ${messages.isOurs}`]
      : [],
    notes: [
      "The job of pg_cron and the Edge Function stay, since other tables may use them. When none does: select cron.unschedule('process-embeddings');",
    ],
  };
}

function isOfTable({ schema, table }: FoundTable, column: string) {
  return sql<boolean>`m.message ->> 'schema' = ${schema} and m.message ->> 'table' = ${table}
    and m.message ->> 'embeddingColumn' = ${column}`;
}

/** The content function and the vector's column that the triggers name. @throws {SetupError} if they name several */
function argumentsOfOne(
  name: string,
  triggers: Awaited<ReturnType<typeof triggersOf>>,
  wanted: string | undefined,
): [contentFunction: string, column: string] {
  const pairs = triggers.flatMap(({ function: called, arguments: [content, column] }) =>
    called === "queue_embeddings" && content !== undefined && column !== undefined
      ? [[content, column] as const]
      : [],
  );
  const columns = [...new Set(pairs.map(([, column]) => column))];
  const column = wanted ?? columns[0];
  const found = pairs.find((pair) => pair[1] === column);
  if (found === undefined || (wanted === undefined && columns.length > 1)) {
    throw new SetupError(
      `The triggers of ${name} fill ${columns.join(" and ") || "no column"}.`,
      `Name one: ${invocation("adopt", ["supabase", name, "--vector", columns[0] ?? "embedding"])}`,
    );
  }
  return [...found];
}
