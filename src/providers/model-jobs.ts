import { parentPort, type MessagePort } from "node:worker_threads";
import { ProviderError, type ProviderErrorKind } from "./provider-error.ts";

/** What a model's thread is sent. */
export type ModelRequest =
  | { readonly id: number; readonly texts: readonly string[] }
  /** Nobody waits for that job any more. */
  | { readonly cancel: number };

/** What it answers: all vectors end to end, or why there are none. No message repeats a text. */
export type ModelAnswer =
  | { readonly id: number; readonly floats: Float32Array<ArrayBuffer> }
  | {
      readonly id: number;
      readonly kind: ProviderErrorKind;
      readonly message: string;
      readonly tooLong: boolean;
    }
  /** For the user of the process. */
  | { readonly notice: string };

interface Model {
  /**
   * @param signal aborted when nobody waits any more
   * @returns one vector per text, end to end
   * @throws {ProviderError} any other error may quote a text, and is not repeated
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /** In messages: "The local model". */
  readonly who: string;
}

/** Runs in a worker thread, and does one job at a time, in the order of their arrival. */
export function answerJobs(model: Model): void {
  const port = portOfThread();
  const waiting = new Map<number, AbortController>();
  let last: Promise<void> = Promise.resolve();

  port.on("message", (request: ModelRequest) => {
    if ("cancel" in request) {
      waiting.get(request.cancel)?.abort();
      return;
    }
    const { id, texts } = request;
    const controller = new AbortController();
    waiting.set(id, controller);
    last = last.then(async () => {
      if (!controller.signal.aborted) await answer(id, texts, controller.signal);
      waiting.delete(id);
    });
  });

  async function answer(id: number, texts: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      const floats = await model.embed(texts, signal);
      port.postMessage({ id, floats } satisfies ModelAnswer, [floats.buffer]);
    } catch (error) {
      const { kind, message, tooLong } =
        error instanceof ProviderError
          ? error
          : new ProviderError("row", `${model.who} cannot embed a text of the batch.`);
      port.postMessage({ id, kind, message, tooLong } satisfies ModelAnswer);
    }
  }
}

/** Shows a message to the user of the process. */
export function notify(notice: string): void {
  portOfThread().postMessage({ notice } satisfies ModelAnswer);
}

function portOfThread(): MessagePort {
  if (parentPort === null) throw new Error("a model runs in a worker thread only");
  return parentPort;
}
