import { Interrupted } from "../errors.ts";

/**
 * Within this time a signal of the same kind is the same request. npm forwards a terminal's Ctrl-C to a process that the
 * terminal has sent it to already: 1 to 3 ms later, by npm 10.9 and 11.19.
 */
const SAME_REQUEST_MS = 1_000;

/** Resolves at the first SIGINT or SIGTERM. A second request ends the process at once. */
export async function stopSignal(): Promise<NodeJS.Signals> {
  return await new Promise((resolve) => {
    let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (first === undefined) {
        first = { signal, at: performance.now() };
        resolve(signal);
      } else if (signal !== first.signal || performance.now() - first.at >= SAME_REQUEST_MS) {
        process.exit(1);
      }
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}

/** Aborted by the first SIGINT or SIGTERM, with an `Interrupted` as the reason. */
export function abortedBySignal(stopping: Promise<NodeJS.Signals> = stopSignal()): AbortSignal {
  const interrupted = new AbortController();
  void stopping.then((signal) => {
    interrupted.abort(new Interrupted(signal));
  });
  return interrupted.signal;
}
