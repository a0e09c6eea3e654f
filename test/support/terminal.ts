import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { onTestFinished } from "vitest";

/** util-linux's `script`, which runs a command in a pseudo-terminal. Other systems have another program of that name. */
const SCRIPT = "/usr/bin/script";
export const HAS_TERMINAL = process.platform === "linux" && existsSync(SCRIPT);

export interface Terminal {
  /** What the terminal shows: stdout and stderr. */
  readonly screen: () => string;
  /** Types into the terminal, which turns control characters into signals. */
  readonly type: (keys: string) => void;
  readonly exited: Promise<number | null>;
}

export const CTRL_C = "\u0003";

/** Runs a command in a terminal of its own, with these settings alone; hung up when the test ends. */
export function openTerminal(command: string, environment: Readonly<Record<string, string>>): Terminal {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(SCRIPT, ["-qefc", `exec ${command}`, "/dev/null"], {
    env: { PATH, HOME, TERM: "dumb", npm_config_update_notifier: "false", ...environment },
  });
  let screen = "";
  child.stdout.on("data", (chunk: Buffer) => (screen += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (screen += chunk.toString()));
  const exited = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill("SIGKILL"); // it ignores SIGHUP; the terminal that goes with it hangs up on the command
    await exited;
  });
  return {
    screen: () => screen,
    type: (keys) => child.stdin.write(keys),
    exited,
  };
}
