import { configDefaults, defineConfig } from "vitest/config";
import { LONG_TESTS, leavesOutLongTests } from "./test/support/long-tests.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...(leavesOutLongTests ? [LONG_TESTS] : [])],
    globalSetup: ["test/support/global-setup.ts"],
    // Titles of parametrized tests are printed whole.
    chaiConfig: { truncateThreshold: 200 },
    // For two cores, which are common. An embedded Postgres keeps its worker's core busy; on a server, tests wait a lot.
    maxWorkers: process.env["TEST_DATABASE_URL"] === undefined ? 2 : 4,
    // Long enough for a busy machine: no test measures speed by them.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
