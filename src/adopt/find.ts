import type { Database } from "../database/connect.ts";
import { findColumn } from "./find-column.ts";
import { findLangchain } from "./find-langchain.ts";
import { findPgVectorize } from "./find-pg-vectorize.ts";
import { findPgai } from "./find-pgai.ts";
import { findSupabase } from "./find-supabase.ts";
import type { Found, Hints, Tool } from "./found.ts";

const FINDERS: Readonly<Record<Tool, (db: Database, hints: Hints) => Promise<Found>>> = {
  pgai: findPgai,
  supabase: findSupabase,
  pg_vectorize: findPgVectorize,
  langchain: findLangchain,
  column: findColumn,
};

/**
 * Reads what a tool does for one table from its own tables and the catalog. Writes nothing.
 * @throws {SetupError} if it does nothing, or what it does cannot be taken over; the error says what to do instead
 */
export async function findWork(db: Database, tool: Tool, hints: Hints): Promise<Found> {
  return await FINDERS[tool](db, hints);
}
