import { BenchServer } from "./bench-database.ts";
import { describeMachine } from "./machine.ts";
import type { Bench } from "./part.ts";
import { PARTS } from "./parts.ts";
import { print, printMachine, type Section } from "./report.ts";
import type { Results } from "./results.ts";

/**
 * Runs the parts one after the other, prints each table as soon as it is measured, and calls `save` with what there is by
 * then. A part that fails is reported, and the next one runs.
 */
export async function runParts(
  databaseUrl: string,
  names: readonly string[],
  options: Pick<Bench, "quick" | "rows" | "collections">,
  save: (results: Results) => Promise<void>,
): Promise<{ results: Results; failed: readonly string[] }> {
  const server = new BenchServer(databaseUrl);
  const interrupted = cleanUpWhenInterrupted(server);
  const machine = await describeMachine(server);
  printMachine(machine);
  const sections: Section[] = [];
  const failed: string[] = [];
  const results = { machine, quick: options.quick, sections };
  const started = performance.now();
  for (const name of names) {
    const progress = (what: string): void => {
      const seconds = Math.round((performance.now() - started) / 1000);
      console.error(`${String(seconds).padStart(5)} s  ${name}: ${what}`);
    };
    try {
      progress("begins");
      const found = (await PARTS[name]?.({ server, ...options, progress })) ?? [];
      for (const section of found) print(section);
      sections.push(...found);
    } catch (error) {
      // The process ends as soon as the databases are dropped.
      if (interrupted.now) await new Promise(() => undefined);
      failed.push(name);
      console.error(error);
    } finally {
      await server.close();
    }
    await save(results);
  }
  return { results, failed };
}

/** Drops its databases and ends; its processes end with this one. */
function cleanUpWhenInterrupted(server: BenchServer): { readonly now: boolean } {
  const interrupted = { now: false };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      interrupted.now = true;
      console.error(`${signal}: dropping the databases of this bench`);
      // The connections of what is being measured complain that they are cut.
      process.on("uncaughtException", () => undefined);
      void server.close().finally(() => process.exit(130));
    });
  }
  return interrupted;
}
