import { describe } from "vitest";
import { openEmbeddedDatabase } from "./embedded-database.ts";
import { openNativeDatabase } from "./native-database.ts";
import { skippedTitle } from "./skipped-suites.ts";

export interface TestDatabase {
  /** The connection string of a migrated database that no other test uses. */
  readonly url: string;
  readonly engine: "embedded" | "native";
  /** @throws on the native engine when a connection was left open */
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Length of the vectors of `patient_embeddings`. 512, the local model's, is the fastest to get. */
  readonly dimensions?: number;
}

/** A fresh database: on the server that TEST_DATABASE_URL names, otherwise an embedded Postgres in memory. */
export async function openTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const dimensions = options.dimensions ?? 512;
  const server = process.env["TEST_DATABASE_URL"];
  return server === undefined ? openEmbeddedDatabase(dimensions) : openNativeDatabase(server, dimensions);
}

/**
 * A `describe` for what the embedded Postgres cannot show, because it has one session. Without TEST_DATABASE_URL it is
 * skipped, and the run says why at its end.
 * @param reason what the tests need, as in "needs transactions that run at the same time"
 */
export function describeNative(name: string, reason: string, tests: () => void): void {
  if (process.env["TEST_DATABASE_URL"] !== undefined) {
    describe(name, tests);
    return;
  }
  describe.skip(skippedTitle(name, reason), tests);
}
