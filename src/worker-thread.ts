import { Worker, type WorkerOptions } from "node:worker_threads";

/** V8's own limit is 48 MB, which two threads soon fill with garbage: 35 MB more of memory, at the same speed. */
const YOUNG_GENERATION_MB = 6;

/**
 * Starts the module `name` (without extension), in the folder of `importer`, as a worker thread. It is the compiled one in
 * dist also if the importer itself runs from source, as it does in tests: there a thread would load a compiler first.
 *
 * @param importer the caller's `import.meta.url`
 */
export function startWorkerThread(name: string, importer: string, options: WorkerOptions = {}): Worker {
  const compiled = importer.replace(/^(.*)\/src\/(.*)\.ts$/, "$1/dist/$2.js");
  return new Worker(new URL(`./${name}.js`, compiled), {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    ...options,
  });
}
