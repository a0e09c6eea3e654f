import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOwnTrigger, TRIGGER_FUNCTION } from "../watch/own-triggers.ts";
import type { OwnNames } from "./own-names.ts";

/** A table or sequence of ours. */
export interface OwnRelation {
  /** Qualified and quoted. */
  readonly name: string;
  readonly kind: "table" | "view" | "sequence";
  /** On disk, with indexes. */
  readonly bytes: number;
}

/** The triggers of ours on one table. */
export interface WatchedTriggers {
  /** Qualified and quoted. */
  readonly table: string;
  readonly triggers: readonly string[];
  /** The owner, if this role may not act as it. */
  readonly foreignOwner: string | null;
}

/** Routines `p` of ours. */
export function isOwnRoutine({ routines }: OwnNames): RawBuilder<boolean> {
  return sql`(p.pronamespace = 'autoembed'::regnamespace
        and (p.proname = any(${routines}::text[]) or p.proname ~ ${TRIGGER_FUNCTION}))`;
}

/** Relations `c` of ours. What belongs to them, such as indexes, is not among them. */
export function isOwnRelation({ relations }: OwnNames): RawBuilder<boolean> {
  return sql`(c.relnamespace = 'autoembed'::regnamespace and c.relname = any(${relations}::text[]) and c.relkind in ('r', 'v', 'S'))`;
}

/** Whether anything is to be removed, whatever of it is missing. */
export async function isInstalled(db: Database, names: OwnNames): Promise<boolean> {
  const { rows } = await sql`select from pg_namespace where nspname = 'autoembed'`.execute(db);
  if (rows.length === 0) return false;
  const found = [await ownRelations(db, names), await ownTriggers(db), await ownRoutines(db, names)];
  return found.some((things) => things.length > 0);
}

export async function ownRelations(db: Database, names: OwnNames): Promise<OwnRelation[]> {
  const { rows } = await sql<OwnRelation>`
    select format('%I.%I', 'autoembed', c.relname) as name,
      case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end as kind,
      pg_total_relation_size(c.oid)::float8 as bytes
    from pg_class c where ${isOwnRelation(names)} order by bytes desc, 1`.execute(db);
  return rows;
}

/** With their arguments, as `drop routine` takes them. */
export async function ownRoutines(db: Database, names: OwnNames): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select p.oid::regprocedure::text as name from pg_proc p where ${isOwnRoutine(names)} order by 1`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}

export async function ownTriggers(db: Database): Promise<WatchedTriggers[]> {
  const { rows } = await sql<WatchedTriggers>`
    select format('%I.%I', n.nspname, c.relname) as table, array_agg(t.tgname::text order by t.tgname) as triggers,
      case when not pg_has_role(c.relowner, 'usage') then pg_get_userbyid(c.relowner)::text end as "foreignOwner"
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where ${isOwnTrigger} group by n.nspname, c.relname, c.relowner order by 1`.execute(db);
  return rows;
}

/** The owner of the schema, if this role may not act as it. */
export async function foreignSchemaOwner(db: Database): Promise<string | null> {
  const { rows } = await sql<{ owner: string }>`
    select pg_get_userbyid(nspowner)::text as owner from pg_namespace
    where nspname = 'autoembed' and not pg_has_role(nspowner, 'usage')`.execute(db);
  return rows[0]?.owner ?? null;
}
