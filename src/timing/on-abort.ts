import { setMaxListeners } from "node:events";

/** Calls back when the signal aborts, at once if it has already; returns how to stop listening. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) {
    callback();
    return () => undefined;
  }
  // Every request in flight, or worker, listens to the one signal that stops them all: more than ten listeners are no leak.
  setMaxListeners(0, signal);
  signal.addEventListener("abort", callback, { once: true });
  return () => {
    signal.removeEventListener("abort", callback);
  };
}
