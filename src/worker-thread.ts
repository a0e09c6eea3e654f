import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts the module `name` (without extension), in the folder of `importer`, as a worker thread: the compiled `.js` from
 * dist, or the `.ts` source with tsx if the importer itself runs from source, as it does under vitest.
 *
 * @param importer the caller's `import.meta.url`
 */
export function startWorkerThread(name: string, importer: string, options: WorkerOptions = {}): Worker {
  if (!importer.endsWith(".ts")) return new Worker(new URL(`./${name}.js`, importer), options);
  // The thread resolves tsx from the working directory, which is the project's whenever sources are run.
  // `--import tsx` does nothing in a worker: tsx relies on the main thread's hooks, which vitest does not have.
  const module = JSON.stringify(new URL(`./${name}.ts`, importer).href);
  const start = `import("tsx/esm/api").then(({ register }) => { register(); return import(${module}); });`;
  return new Worker(start, { ...options, eval: true });
}
