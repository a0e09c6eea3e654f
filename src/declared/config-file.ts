import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { defineConfig, type DeclaredSource } from "./declared-source.ts";
import { parseDeclared } from "./parse-declared.ts";

/** In the order of a search for it, in the working folder. */
export const CONFIG_FILES = [
  "autoembed.config.ts",
  "autoembed.config.mts",
  "autoembed.config.js",
  "autoembed.config.mjs",
  "autoembed.config.json",
] as const;

export interface ConfigFile {
  /** As it was given, or found. */
  readonly file: string;
  readonly sources: readonly DeclaredSource[];
}

/**
 * Reads the file that declares the sources.
 * @param given its name; by default the one of `CONFIG_FILES` that the working folder has
 * @throws {UsageError} if there is none, or it cannot be read, or what it says is wrong
 */
export async function readConfigFile(given: string | undefined): Promise<ConfigFile> {
  const file = given ?? findConfigFile();
  return { file, sources: parseDeclared(await contentsOf(file), file) };
}

/** The configuration files that the working folder has. */
export function presentConfigFiles(): readonly string[] {
  return CONFIG_FILES.filter((name) => existsSync(name));
}

function findConfigFile(): string {
  const [found, ...more] = presentConfigFiles();
  if (found === undefined) {
    throw new UsageError(
      `There is no ${CONFIG_FILES[0]} in this folder.`,
      `Make one: ${invocation("init")}, or of what is watched already: ${invocation("sources", "--as-config")}\n` +
        `Name another file with --config. Other names: ${CONFIG_FILES.slice(1).join(", ")}.`,
    );
  }
  if (more.length > 0) {
    throw new UsageError(
      `This folder has ${[found, ...more].join(" and ")}.`,
      "Keep one of them, or name it with --config.",
    );
  }
  return found;
}

async function contentsOf(file: string): Promise<unknown> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`There is no file ${file}.`, "Name another with --config.");
  try {
    return file.endsWith(".json") ? JSON.parse(await readFile(path, "utf8")) : await evaluate(path);
  } catch (error) {
    throw new UsageError(
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      "It exports one object by default: export default defineConfig({ sources: [] })",
      { cause: error },
    );
  }
}

/**
 * Node 20 runs no TypeScript, and newer ones only with types that can be erased. jiti, loaded here alone, runs each of these
 * files in the same way on every Node; and `import … from "pg-autoembed"` is this package, also where a project has not
 * installed it.
 */
async function evaluate(path: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  const jiti = createJiti(pathToFileURL(path).href, {
    fsCache: false,
    moduleCache: false,
    virtualModules: { "pg-autoembed": { defineConfig } },
  });
  return await jiti.import(path, { default: true });
}
