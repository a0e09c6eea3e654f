import { readFile, readlink, realpath, rename, rm, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { config, parse } from "dotenv";
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
  return await realpath(file).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Nothing is there, or a link to what is not there yet.
    const target = await readlink(file).catch(() => undefined);
    return target === undefined ? file : resolve(dirname(file), target);
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
    throw unusable("written", error);
  }
}

async function textOf(): Promise<string> {
  return await readFile(FILE, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw unusable("read", error);
  });
}

/** An `.env` that is not there is no error. @throws {UsageError} where it cannot be read: its settings would be missed in silence */
export function loadEnvFile(): void {
  const { error } = config({ quiet: true });
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== "ENOENT")
    throw unusable("read", error);
}

function unusable(what: "read" | "written", error: unknown): UsageError {
  const { code } = error as NodeJS.ErrnoException;
  return new UsageError(
    `The file ${FILE} of this folder cannot be ${what} (${code ?? "unknown"}).`,
    `Make it a file that you may read and write, or run in another folder with the settings in the environment.`,
    { cause: error },
  );
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
