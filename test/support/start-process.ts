import { expect } from "vitest";
import { runCommand, type RunningCommand } from "./command.ts";
import type { Listening } from "./listening.ts";

/**
 * A listener in its own process, ready to hear notifications.
 * @param run runs the command line of another version
 */
export async function startProcess(
  { environment }: Pick<Listening, "environment">,
  overrides: Readonly<Record<string, string>> = {},
  run: typeof runCommand = runCommand,
): Promise<RunningCommand> {
  const command = run(["start"], { ...environment, EMBED_LOG_LEVEL: "info", ...overrides });
  await expect.poll(() => command.stderr(), { timeout: 30_000 }).toContain("listening for changes");
  return command;
}
