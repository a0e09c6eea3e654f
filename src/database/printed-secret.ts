import { exec } from "node:child_process";
import { promisify } from "node:util";
import { SetupError } from "../errors.ts";

const COMMAND_MS = 30_000;

/**
 * What the command of a setting prints. That may be a secret, and so may be what it complains of: neither is shown.
 * @param environment in addition to that of this process
 * @throws {SetupError} if it fails
 */
export async function printedSecret(
  setting: string,
  command: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const env = { ...process.env, ...environment };
    const { stdout } = await promisify(exec)(command, { timeout: COMMAND_MS, windowsHide: true, env });
    return stdout;
  } catch (error) {
    const why = whyItFailed(error as Failure);
    throw new SetupError(`The command of ${setting} ${why}.`, "Run it by hand to see why.");
  }
}

interface Failure {
  /** A number, or what is wrong with the output. */
  readonly code?: number | string | null;
  readonly killed?: boolean;
  readonly signal?: string | null;
}

function whyItFailed({ code, killed, signal }: Failure): string {
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return "prints more than a secret can be";
  if (killed === true) return `did not end within ${COMMAND_MS} ms`;
  return typeof signal === "string" ? `was ended by ${signal}` : `ended with exit code ${String(code)}`;
}
