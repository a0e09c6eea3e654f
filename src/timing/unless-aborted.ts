import { onAbort } from "./on-abort.ts";

/** The result of `promise`, unless `signal` is aborted first. @throws the signal's reason; `promise` then runs on alone. */
export async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let stopListening: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stopListening = onAbort(signal, () => {
      reject(signal.reason as Error);
    });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    stopListening();
  }
}
