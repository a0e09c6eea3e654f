import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { FoundTable } from "../watch/find-table.ts";
import type { ForeignTrigger } from "./found.ts";

interface TriggerRow extends ForeignTrigger {
  /** The arguments of its function. */
  readonly arguments: readonly string[];
  readonly function: string;
}

/** The triggers of a table that fulfil a condition over `g` of pg_trigger and `p` of pg_proc, those switched off included. */
export async function triggersOf(
  db: Database,
  { oid, schema, table }: FoundTable,
  condition: RawBuilder<boolean>,
): Promise<TriggerRow[]> {
  const { rows } = await sql<{ name: string; fires: string; function: string; arguments: string }>`
    select g.tgname as name, g.tgenabled as fires, p.proname as function, encode(g.tgargs, 'hex') as arguments
    from pg_trigger g join pg_proc p on p.oid = g.tgfoid
    where g.tgrelid = ${oid}::oid and not g.tgisinternal and ${condition} order by g.tgname`.execute(db);
  return rows.map((row) => ({ ...row, table: { schema, table }, arguments: argumentsOf(row.arguments) }));
}

/** pg_trigger.tgargs: each argument ends with a zero byte. */
function argumentsOf(hex: string): string[] {
  return Buffer.from(hex, "hex").toString("utf8").split("\0").slice(0, -1);
}

/** Whether a table of that name exists. */
export async function hasTable(db: Database, name: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`select to_regclass(${name}) is not null as found`.execute(
    db,
  );
  return rows[0]?.found === true;
}

/** The columns of a table, in their order. */
export async function columnsOf(db: Database, name: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select attname::text as name from pg_attribute
    where attrelid = to_regclass(${name}) and attnum > 0 and not attisdropped order by attnum`.execute(db);
  return rows.map((row) => row.name);
}
