/**
 * Measures how the code is arranged and prints each value with its goal; ends with exit code 1 when one is missed. Run by
 * `npm run check`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { importsOf, knots, readSource, roomOf, sourceFiles, type Import } from "./import-graph.ts";

interface Measure {
  readonly name: string;
  readonly value: number;
  /** The value may not be greater. */
  readonly goal: number;
}

const files = sourceFiles();
const imports = files.flatMap(importsOf);

function filesWith(pattern: RegExp): string[] {
  return files.filter((file) => pattern.test(readSource(file)));
}

function count(pattern: RegExp, texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + [...text.matchAll(pattern)].length, 0);
}

function sqlFiles(folder: string): string[] {
  return readdirSync(`migrations/${folder}`, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".sql"))
    .map((file) => readFileSync(`migrations/${folder}/${file}`, "utf8"));
}

/** Lines that are neither blank nor comments. */
function codeLines(text: string): number {
  return text.split("\n").filter((line) => !/^\s*(?:--.*)?$/.test(line)).length;
}

function longest(numbers: readonly number[]): number {
  return Math.max(0, ...numbers);
}

/** Lines of code from `create … function` or `procedure` to the end of its statement. */
function functionLengths(text: string): number[] {
  const functions = text.matchAll(
    /^create (?:or replace )?(?:function|procedure)[\s\S]*?^(?:\$\w*\$.*;|.*\$\w*\$;)$/gm,
  );
  return [...functions].map(([statement]) => codeLines(statement));
}

/** Of the method that drains a source: its lines, and the names that it binds. */
function drain(): { lines: number; locals: number } {
  const [body = ""] =
    /^ {2}async #drain\(\)[\s\S]*?^ {2}\}$/m.exec(readSource("pipeline/embed-worker.ts")) ?? [];
  return { lines: body.split("\n").length, locals: count(/\b(?:const|let)\b/g, [body]) };
}

/** Files to be opened to change how rows are claimed: the statement, what it is made of, what calls it, and its part in SQL. */
function filesOfTheClaim(): number {
  const isNear = ({ from, to }: Import): boolean =>
    roomOf(to) === "queue" && ["queue", "pipeline"].includes(roomOf(from));
  const near = imports.filter(isNear);
  const opened = new Set(["queue/claim.ts"]);
  for (const file of opened) for (const { from, to } of near) if (from === file) opened.add(to);
  const callers = near.filter(({ from, to }) => to === "queue/claim.ts" && usesValueOf(from, to));
  for (const { from } of callers) opened.add(from);
  return opened.size + 1;
}

/** Whether a file imports more than types from another. */
function usesValueOf(from: string, to: string): boolean {
  const name = to.split("/").at(-1) ?? to;
  const [, names = ""] =
    new RegExp(`^import \\{([^}]*)\\} from "[^"]*/${name}";`, "m").exec(readSource(from)) ?? [];
  return names.split(",").some((imported) => imported.trim() !== "" && !imported.trim().startsWith("type "));
}

function glossary(): number {
  const [, section = ""] =
    /^## Glossary$([\s\S]*?)^## /m.exec(readFileSync("docs/architecture.md", "utf8")) ?? [];
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.length === 0 ? Infinity : rows.length - 2;
}

const roomImports = imports
  .map(({ from, to }) => ({ from: roomOf(from), to: roomOf(to) }))
  .filter(({ from, to }) => from !== to);
const naming = filesWith(/embedding_queue/);
const sql = ["committed", "functions", "triggers"].flatMap(sqlFiles);
const templates = sqlFiles("triggers");
const backendIds = filesWith(/^\s*id: "/m)
  .filter((file) => file.startsWith("providers/backends/"))
  .map((file) => /^\s*id: "(\w+)"/m.exec(readSource(file))?.[1] ?? "");
const namingBackend = new RegExp(`["'\`|](?:${backendIds.join("|")})["'\`|]`);

const measures: readonly Measure[] = [
  { name: "rooms of src in one import knot", value: knots(roomImports).flat().length, goal: 0 },
  { name: "files of src that name embedding_queue", value: naming.length, goal: 16 },
  { name: "folders that they are in", value: new Set(naming.map(roomOf)).size, goal: 2 },
  {
    name: 'hand-written "failed_at is null" in src',
    value: count(/failed_at["'`)}]* is null/g, files.map(readSource)),
    goal: 1,
  },
  {
    name: "longest SQL function, lines of code",
    value: longest([...sql.flatMap(functionLengths), ...templates.map(codeLines)]),
    goal: 60,
  },
  {
    name: "longest SQL line, characters",
    value: longest(sql.flatMap((text) => text.split("\n").map((line) => line.length))),
    goal: 120,
  },
  {
    name: "positional placeholders in trigger templates",
    value: count(/%\d+\$[sIL]/g, templates),
    goal: 0,
  },
  { name: "lines of EmbedWorker's #drain", value: drain().lines, goal: 15 },
  { name: "its locals", value: drain().locals, goal: 3 },
  { name: 'places that emit "failed"', value: count(/emit\("failed"/g, files.map(readSource)), goal: 1 },
  {
    name: "files outside of providers/backends that name a backend",
    value: filesWith(namingBackend).filter((file) => !file.startsWith("providers/backends/")).length,
    goal: backendIds.length === 0 ? -1 : 0,
  },
  {
    name: "files outside of providers that open one by hand",
    value: imports.filter(
      ({ from, to }) =>
        to === "providers/provider-stack.ts" && roomOf(from) !== "providers" && opensProvider(from),
    ).length,
    goal: 0,
  },
  {
    name: "files that open a pool by hand",
    value: filesWith(/(?<![.\w])connect\(\{/).length,
    goal: 1,
  },
  { name: "files opened to change the claim", value: filesOfTheClaim(), goal: 7 },
  { name: "words in the glossary", value: glossary(), goal: 12 },
];

function opensProvider(file: string): boolean {
  return /\bopen(?:Shared)?Provider(?:WithoutProbe)?\(/.test(readSource(file));
}

const width = longest(measures.map(({ name }) => name.length));
for (const { name, value, goal } of measures) {
  const verdict = value <= goal ? "" : "   missed";
  console.log(
    `${name.padEnd(width)}  ${String(value).padStart(4)}  at most ${String(goal).padStart(3)}${verdict}`,
  );
}
if (measures.some(({ value, goal }) => value > goal)) process.exitCode = 1;
