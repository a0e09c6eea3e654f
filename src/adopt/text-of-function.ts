import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote, quoted, sqlName } from "../database/identifier.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import { SetupError } from "../errors.ts";
import type { FoundTable } from "../watch/find-table.ts";

interface ContentFunction {
  readonly schema: string;
  readonly name: string;
  readonly body: string;
  /** The name of its parameter, the row; empty where it has none. */
  readonly parameter: string;
}

/** Rows by which the expression is compared with the function. */
const COMPARED = 1_000;

/**
 * What a function of the whole row computes, as an expression over the row's columns: the row has the vector too, so the
 * function itself cannot be watched. Only a body of one `return` or `select` can be written so, and only if it gives the
 * same for the first rows of the table.
 * @throws {SetupError} that asks for --text where it cannot
 */
export async function textOfFunction(db: Database, table: FoundTable, name: string): Promise<string> {
  const found = await findFunction(db, table, name);
  if (found === undefined) {
    throw refusal(`There is no function ${name}(${sqlName(table)}) that gives the text.`);
  }
  const expression = expressionOf(found);
  if (expression === undefined || !(await givesTheSame(db, table, found, expression))) {
    throw refusal(
      `The text is ${name}(${sqlName(table)}), a function of the whole row, and the row has the vector too.`,
    );
  }
  return expression;
}

function refusal(problem: string): SetupError {
  return new SetupError(problem, `Give what it computes over the columns: --text "title || ' ' || body"`);
}

async function findFunction(
  db: Database,
  { oid, schema }: FoundTable,
  name: string,
): Promise<ContentFunction | undefined> {
  const { rows } = await sql<ContentFunction>`
    select n.nspname as schema, p.proname as name, p.prosrc as body, coalesce(p.proargnames[1], '') as parameter
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.pronargs = 1
      and replace(${name}, '"', '') in (replace(p.proname, '"', ''), replace(n.nspname || '.' || p.proname, '"', ''))
      and p.proargtypes[0] = (select reltype from pg_class where oid = ${oid}::oid)
    order by n.nspname = ${schema} desc limit 1`.execute(db);
  return rows[0];
}

/** The expression of a body that is one statement; undefined if it is anything else. */
function expressionOf({ body, parameter }: ContentFunction): string | undefined {
  const [, returned] =
    /^\s*(?:begin\s+)?(?:return|select)\s+([^;]+?)\s*;?\s*(?:end\s*;?)?\s*$/i.exec(body) ?? [];
  if (returned === undefined || /\bfrom\b/i.test(returned)) return undefined;
  const row = parameter === "" ? "\\$1" : `(?:\\$1|\\b${parameter.replaceAll(/\W/g, "\\$&")}\\b)`;
  const expression = returned.replaceAll(new RegExp(`${row}\\s*\\.\\s*`, "gi"), "");
  return new RegExp(row, "i").test(expression.replaceAll(/'(?:[^']|'')*'/g, "''")) ? undefined : expression;
}

async function givesTheSame(
  db: Database,
  table: FoundTable,
  { schema, name }: ContentFunction,
  expression: string,
): Promise<boolean> {
  try {
    const { rows } = await sql<{ different: number }>`
      select count(*)::int as different from (
        select ${sql.raw(`${quote(schema)}.${quote(name)}`)}(w) as given, (${sql.raw(expression)})::text as computed
        from ${sql.raw(quoted(table))} w where (select ${roleSearchPath} is not null) limit ${COMPARED}) t
      where t.given is distinct from t.computed`.execute(db);
    return rows[0]?.different === 0;
  } catch {
    // No expression over the columns: the error is one of a guess of ours.
    return false;
  }
}
