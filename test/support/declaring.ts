import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { runCommand } from "./command.ts";
import { prepare, type Listening } from "./listening.ts";

export interface Declaring extends Listening {
  /** The folder that the commands run in. */
  readonly folder: string;
  /** Writes a configuration file, TypeScript unless it is named otherwise. */
  readonly write: (text: string, name?: string) => Promise<void>;
  /** Writes a file that declares these sources. */
  readonly declare: (...sources: readonly object[]) => Promise<void>;
  readonly run: (
    ...args: readonly string[]
  ) => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** A database with the schema `shop` of a test's own, and a folder for a configuration file. */
export async function prepareDeclaring(
  create: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Declaring> {
  const on = await prepare(settings);
  await on.client.query(`drop schema if exists shop cascade; create schema shop; ${create}`);
  const folder = await mkdtemp(join(tmpdir(), "declared-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const write = (text: string, name = "autoembed.config.ts"): Promise<void> =>
    writeFile(join(folder, name), text);
  return {
    ...on,
    folder,
    write,
    declare: (...sources) =>
      write(
        `import { defineConfig } from "pg-autoembed";\nexport default defineConfig(${JSON.stringify({ sources })});\n`,
      ),
    run: async (...args) => {
      const command = runCommand(args, on.environment, folder);
      const code = await command.exited;
      return { code, stdout: command.stdout(), stderr: command.stderr() };
    },
  };
}
