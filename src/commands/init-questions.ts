import type { Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import {
  findCandidates,
  findTextColumns,
  takenTables,
  type Candidate,
  type TextColumn,
} from "../setup/find-tables.ts";
import { findTable } from "../watch/find-table.ts";
import { ask } from "./ask.ts";
import type { InitValues } from "./init-options.ts";

/** Who answers: a person at a terminal, or nobody. */
export interface Person {
  readonly isThere: boolean;
  readonly signal: AbortSignal;
}

/** Asks until an answer is right. @param read returns undefined, and says why, if it is not */
export async function askUntil<T>(
  { signal }: Person,
  question: string,
  read: (answer: string) => T | undefined | Promise<T | undefined>,
): Promise<T> {
  for (;;) {
    const value = await read(await ask(question, { signal }));
    if (value !== undefined) return value;
  }
}

/** One of a list, by its number or its name. */
export async function choose<T>(
  person: Person,
  question: string,
  choices: readonly (readonly [name: string, about: string, value: T])[],
): Promise<T> {
  choices.forEach(([name, about], i) => {
    console.log(`  ${i + 1}  ${name}${about === "" ? "" : `: ${about}`}`);
  });
  return await askUntil(person, question, (answer) => {
    const found =
      choices.find(([name], i) => answer === name || answer === String(i + 1)) ??
      theOnlyOne(choices.filter(([name]) => name.endsWith(`.${answer}`)));
    if (found === undefined) console.log(`A number from 1 to ${choices.length}, or a name of the list.`);
    return found?.[2];
  });
}

/** A table may be named without its schema, unless several schemas have one of that name. */
function theOnlyOne<T>(found: readonly T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined;
}

function missing(option: string): UsageError {
  return new UsageError(
    `--${option} is needed where there is no terminal to ask on.`,
    invocation("init", "--help"),
  );
}

/** The user's table. @throws {SetupError} if there is none to watch, or the one that was named cannot be */
export async function tableOf(db: Database, values: InitValues, person: Person): Promise<Candidate> {
  const all = await findCandidates(db);
  const taken = await takenTables(db);
  if (values.table !== undefined) {
    const { oid, schema, table } = await findTable(db, values.table);
    const found = all.find((candidate) => candidate.oid === oid);
    if (found === undefined)
      throw new SetupError(
        `${schema}.${table} is no table that triggers can be on.`,
        "Name a table, and no view.",
      );
    if (taken.has(oid)) throw isTaken(found);
    if (found.key === null && values.key === undefined) throw withoutKey([found]);
    return found;
  }
  const free = all.filter(({ oid }) => !taken.has(oid));
  const keyed = free.filter(({ key }) => key !== null);
  if (keyed.length === 0) {
    if (free.length > 0) throw withoutKey(free);
    throw new SetupError(
      "The database has no table that is not watched yet.",
      `Create yours first, and run this again. Without a database of your own: ${invocation("start")} prints a connection string.`,
    );
  }
  if (!person.isThere) throw missing("table");
  const without = free.filter(({ key }) => key === null).map(nameOf);
  if (without.length > 0) console.log(`Without a key, so that they cannot be watched: ${without.join(", ")}`);
  return await choose(
    person,
    "Which table? ",
    keyed.map((candidate) => [nameOf(candidate), countOf(candidate), candidate]),
  );
}

/** The text: what `DeclaredSource` calls `text` or `columns`. */
export async function textOf(
  db: Database,
  table: Candidate,
  values: InitValues,
  person: Person,
): Promise<{ readonly text: string } | { readonly columns: readonly string[] }> {
  const columns = await findTextColumns(db, table);
  columns.forEach((column, i) => {
    console.log(`  ${i + 1}  ${describeColumn(column)}`);
  });
  const named = (part: string) => columns.find(({ name }) => name === part);
  if (values.text !== undefined) return readText(values.text, named);
  if (!person.isThere) throw missing("text");
  return await askUntil(
    person,
    "Which text? (a column or its number, several with commas, or an SQL expression) ",
    (answer) =>
      answer === "" ? undefined : readText(answer, (part) => named(part) ?? columns[Number(part) - 1]),
  );
}

/** One of the columns, several of them with commas, or else an SQL expression. */
function readText(
  answer: string,
  columnOf: (part: string) => TextColumn | undefined,
): { readonly text: string } | { readonly columns: readonly string[] } {
  const parts = answer.split(",").map((part) => part.trim());
  const names = parts.flatMap((part) => columnOf(part)?.name ?? []);
  const [only] = names;
  if (only === undefined || names.length < parts.length) return { text: answer };
  return names.length === 1 ? { text: only } : { columns: names };
}

export function nameOf({ schema, table }: Pick<Candidate, "schema" | "table">): string {
  return `${schema}.${table}`;
}

function countOf({ rows }: Candidate): string {
  return rows === null ? "rows not counted yet" : `about ${rows} rows`;
}

function describeColumn({ name, texts, average, longest }: TextColumn): string {
  return `${name}: ${texts} texts in a sample, ${Math.round(average)} characters on average, ${longest} at most`;
}

function isTaken(table: Candidate): SetupError {
  return new SetupError(
    `${nameOf(table)} is watched already, or has the vectors of a source. Nothing was changed.`,
    `What it has, as the file to begin with: ${invocation("sources", "--as-config")}`,
  );
}

function withoutKey(tables: readonly Candidate[]): SetupError {
  return new SetupError(
    `${tables.map(nameOf).join(", ")} ${tables.length === 1 ? "has" : "have"} no primary key, and no unique columns that are NOT NULL.`,
    "Add a primary key: a vector has to find its row. Or name the key's columns with --key.",
  );
}
