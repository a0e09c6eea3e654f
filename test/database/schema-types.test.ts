import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";

test("src/database/schema.ts is what kysely-codegen generates from the migrated database", async () => {
  const database = await openTestDatabase();
  onTestFinished(() => database.close());
  const verified = promisify(execFile)("npm", [
    "run",
    "--silent",
    "codegen",
    "--",
    "--url",
    database.url,
    "--verify",
  ]);
  await expect(verified).resolves.toBeDefined();
}, 120_000);
