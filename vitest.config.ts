import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Titles of parametrized tests are printed whole.
    chaiConfig: { truncateThreshold: 200 },
    // Two cores are common: each test file already runs a Postgres and a listener.
    maxWorkers: 2,
    // Long enough for a busy machine: no test measures speed by them.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
