import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** A file of migrations/committed, in graphile-migrate's signed format, or of migrations/once. */
export interface MigrationFile {
  readonly filename: string;
  readonly hash: string;
  /** What is run; its placeholders are not filled in yet. */
  readonly sql: string;
}

export interface MigrationFiles {
  /** Tables, in their order. A released one is never edited. */
  readonly committed: readonly MigrationFile[];
  /** What is done once per database, when the functions are there. */
  readonly once: readonly MigrationFile[];
  /** One `create or replace function` each. */
  readonly functions: readonly string[];
  readonly templates: readonly { readonly name: string; readonly body: string }[];
  /** Of all functions and templates: they are applied again when it is another one. */
  readonly functionsHash: string;
  /** What takes over a database of version 0.1: before the functions are there, and after. */
  readonly adoption: { readonly tables: string; readonly triggers: string };
}

const FOLDER = fileURLToPath(new URL("../../migrations", import.meta.url));

/** Reads everything under migrations/. @throws {Error} where a committed file is not what was signed. */
export async function readMigrationFiles(folder = FOLDER): Promise<MigrationFiles> {
  const [committed, once, functions, triggers, adoption] = (await Promise.all(
    ["committed", "once", "functions", "triggers", "from-0.1"].map((name) => readFolder(`${folder}/${name}`)),
  )) as [SqlFile[], SqlFile[], SqlFile[], SqlFile[], SqlFile[]];
  const textOf = (name: string): string => adoption.find(({ filename }) => filename === name)?.text ?? "";
  return {
    committed: verified(committed),
    once: once.map(({ filename, text }) => ({ filename: `once/${filename}`, hash: sha1(text), sql: text })),
    functions: functions.map(({ text }) => text),
    templates: triggers.map(({ filename, text }) => ({
      name: filename.replace(/^on-(.*)\.sql$/, "$1"),
      body: text,
    })),
    functionsHash: sha1([...functions, ...triggers].map(({ filename, text }) => filename + text).join("\n")),
    adoption: { tables: textOf("tables.sql"), triggers: textOf("triggers.sql") },
  };
}

interface SqlFile {
  readonly filename: string;
  readonly text: string;
}

async function readFolder(folder: string): Promise<SqlFile[]> {
  const filenames = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(
    filenames.map(async (filename) => ({ filename, text: await readFile(`${folder}/${filename}`, "utf8") })),
  );
}

/** Headers, an empty line, the body: https://github.com/graphile/migrate/blob/main/FORMATS.md */
const SIGNED = /^--! Previous: (.*)\n--! Hash: (.*)\n(?:--! .*\n)*\n([^]*)$/;

function verified(files: readonly SqlFile[]): MigrationFile[] {
  let previous = "-";
  return files.map(({ filename, text }) => {
    const [, before, hash = "", body = ""] = SIGNED.exec(text) ?? [];
    const sql = `${body.trim()}\n`;
    if (before !== previous || hash !== sha1(previous === "-" ? sql : `${previous}\n${sql}`)) {
      throw new Error(
        `migrations/committed/${filename} is not what was signed: a released file is never edited`,
      );
    }
    previous = hash;
    return { filename, hash, sql };
  });
}

function sha1(text: string): string {
  return `sha1:${createHash("sha1").update(text).digest("hex")}`;
}
