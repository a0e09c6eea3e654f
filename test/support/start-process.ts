import { expect } from "vitest";
import { runCommand, type RunningCommand } from "./command.ts";
import type { Listening } from "./listening.ts";

/** A listener in its own process, ready to hear notifications. */
export async function startProcess(
  { environment }: Pick<Listening, "environment">,
  overrides: Readonly<Record<string, string>> = {},
): Promise<RunningCommand> {
  const command = runCommand(["start"], { ...environment, EMBED_LOG_LEVEL: "info", ...overrides });
  await expect.poll(() => command.stderr(), { timeout: 30_000 }).toContain("listening for changes");
  return command;
}
