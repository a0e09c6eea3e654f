import type { TestProject } from "vitest/node";
import { prepareSnapshots } from "./embedded-database.ts";
import { countLongTests, leavesOutLongTests } from "./long-tests.ts";
import { dropDatabasesOf } from "./native-database.ts";
import { describeSkippedSuites } from "./skipped-suites.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** What all databases of this run are named after. */
    runName: string;
  }
}

/** @returns the teardown */
export default async function globalSetup(project: TestProject): Promise<() => Promise<void>> {
  const runName = `autoembed_test_${process.pid}`;
  project.provide("runName", runName);
  const server = process.env["TEST_DATABASE_URL"];
  // Made here and not by the first test that needs one, whose time would run out on a busy machine.
  await prepareSnapshots();
  return async () => {
    if (server !== undefined) await dropDatabasesOf(server, runName);
    // On stderr, so that a report on stdout stays whole.
    const longFiles = leavesOutLongTests ? countLongTests() : 0;
    for (const line of describeSkippedSuites(project.vitest.state.getTestModules(), longFiles))
      console.error(line);
  };
}
