import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Two cores are common: a Postgres and a listener beside each test file are load enough.
    maxWorkers: 2,
    // Long enough for a machine that is busy with other things: no test tells by them how fast anything is.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
