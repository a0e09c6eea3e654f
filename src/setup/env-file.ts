import { readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { parse } from "dotenv";
import { UsageError } from "../errors.ts";

const FILE = ".env";

/** The settings that are in `.env` already. */
export async function readEnvFile(): Promise<Readonly<Record<string, string>>> {
  return parse(await textOf());
}

/**
 * Writes settings into `.env`, which only its owner may read then. Its other lines stay as they are. The file is replaced
 * as a whole, so that an interruption leaves the old one. Where it is a symbolic link, the file behind it is.
 */
export async function writeEnvFile(settings: Readonly<Record<string, string>>): Promise<void> {
  const lines = (await textOf()).split("\n");
  const kept = lines.filter((line) => {
    const [, name] = /^\s*(?:export\s+)?(\w+)\s*=/.exec(line) ?? [];
    return name === undefined || !Object.hasOwn(settings, name);
  });
  while (kept.at(-1) === "") kept.pop();
  const added = Object.entries(settings).map(([name, value]) => `${name}=${quotedValue(name, value)}`);
  await replace(await targetOf(FILE), [...kept, ...added, ""].join("\n"));
}

/** The file that a symbolic link leads to, so that the link stays one. */
async function targetOf(file: string): Promise<string> {
  return await realpath(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return file;
    throw error;
  });
}

/** Nothing of it is left behind where it fails: it may hold keys. */
async function replace(file: string, contents: string): Promise<void> {
  const unfinished = `${file}.${process.pid}`;
  try {
    await writeFile(unfinished, contents, { mode: 0o600 });
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

async function textOf(): Promise<string> {
  return await readFile(FILE, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  });
}

/** As dotenv reads it back. */
function quotedValue(name: string, value: string): string {
  if (/^[\w@%+=:,./?&~*-]*$/.test(value)) return value;
  const quote = ["'", "`"].find((mark) => !value.includes(mark));
  if (quote === undefined || /[\r\n]/.test(value))
    throw new UsageError(
      `The value of ${name} cannot be written into ${FILE}.`,
      "Set it in the environment.",
    );
  return `${quote}${value}${quote}`;
}
