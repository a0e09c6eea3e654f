import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { Interrupted } from "../errors.ts";

/** Whether a person can be asked. */
export function isInteractive(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY;
}

interface AskOptions {
  readonly hidden?: boolean;
  readonly output?: NodeJS.WriteStream;
  readonly signal?: AbortSignal;
}

const NEVER = new AbortController().signal;

/**
 * Asks for a line on the terminal.
 * @param options.hidden shows nothing of what is typed
 * @param options.output where it is asked; default: stdout
 * @throws {Interrupted} by Ctrl-C, by the end of the input, or with the reason of `signal`
 */
export async function ask(
  question: string,
  { hidden = false, output = process.stdout, signal = NEVER }: AskOptions,
): Promise<string> {
  const echo = hidden ? silent() : output;
  const terminal = createInterface({ input: process.stdin, output: echo, terminal: true });
  const stopped = new AbortController();
  const stop = (): void => {
    stopped.abort(new Interrupted("Ctrl-C"));
  };
  terminal.once("SIGINT", stop).once("close", stop);
  try {
    if (hidden) output.write(question);
    const answer = await terminal.question(hidden ? "" : question, {
      signal: AbortSignal.any([signal, stopped.signal]),
    });
    return answer.trim();
  } catch (error) {
    output.write("\n");
    throw signal.aborted ? signal.reason : stopped.signal.aborted ? stopped.signal.reason : error;
  } finally {
    terminal.off("close", stop).close();
    if (hidden) output.write("\n");
  }
}

/** Asks for yes or no; an empty answer is no. @param output where it is asked; default: stdout */
export async function confirm(
  question: string,
  signal: AbortSignal,
  output: NodeJS.WriteStream = process.stdout,
): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(`${question} (y/N) `, { signal, output }));
}

function silent(): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
}
