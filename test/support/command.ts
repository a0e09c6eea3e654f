import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export interface RunningCommand {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

/** Runs the built command line in its own process, with these settings alone; killed when the test ends. */
export function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  folder: string = process.cwd(),
): RunningCommand {
  return runNode([CLI, ...args], environment, folder);
}

/** Runs Node.js in its own process, with these settings alone; killed when the test ends. */
export function runNode(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  folder: string,
): RunningCommand {
  const path = process.env["PATH"] ?? "";
  const child = spawn(process.execPath, args, { cwd: folder, env: { PATH: path, ...environment } });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return { process: child, stdout: () => stdout, stderr: () => stderr, exited };
}
