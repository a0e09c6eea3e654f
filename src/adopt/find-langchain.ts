import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { sqlName } from "../database/identifier.ts";
import { findTable } from "../watch/find-table.ts";
import { chooseOne } from "./choose-one.ts";
import type { Found, Hints } from "./found.ts";

interface Store {
  readonly schema: string;
  readonly table: string;
  readonly text: string;
}

/**
 * A table of LangChain: `langchain_pg_embedding` (`PGVector`), or one that `PGVectorStore` made, with `langchain_id` or
 * `langchain_metadata`. Its application writes each text together with its vector; nothing in the database does.
 */
export async function findLangchain(db: Database, hints: Hints): Promise<Found> {
  const { rows } = await sql<Store>`
    select n.nspname as schema, c.relname as table,
      case when c.relname = 'langchain_pg_embedding' then 'document' else 'content' end as text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join lateral (
      select array_agg(a.attname::text) as names from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) a on true
    where c.relkind in ('r', 'p') and 'embedding' = any(a.names) and (
      (c.relname = 'langchain_pg_embedding' and 'document' = any(a.names))
      or ('content' = any(a.names) and a.names && array['langchain_id', 'langchain_metadata']))
    order by n.nspname, c.relname`.execute(db);
  const stores = rows.map((store) => ({ ...store, name: sqlName(store) }));
  const named = hints.table ?? hints.name;
  const spelled = named === undefined || named.includes(".") ? named : `public.${named}`;
  const store = chooseOne(stores, spelled, "langchain", "table of LangChain");
  return {
    tool: "langchain",
    name: store.name,
    table: await findTable(db, store.name),
    text: hints.text ?? store.text,
    key: hints.key,
    kept: { as: "column", column: hints.vector ?? "embedding" },
    model: null,
    triggers: [],
    workers: {},
    outdated: [],
    notes: [
      "Your application may go on writing texts with their vectors: such a row counts as embedded. Rows that come without a vector, and texts that change, are embedded by pg-autoembed.",
    ],
  };
}
