import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const TESTS = fileURLToPath(new URL("..", import.meta.url));
const SUFFIX = ".long.test.ts";

/** Files that together take twenty minutes on the embedded Postgres, and a few on a native one. */
export const LONG_TESTS = `test/**/*${SUFFIX}`;

/** `npm test` on the embedded Postgres is what somebody runs who has just come. */
export const leavesOutLongTests =
  process.env["TEST_DATABASE_URL"] === undefined && process.env["TEST_LONG"] === undefined;

export function countLongTests(): number {
  return readdirSync(TESTS, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(SUFFIX))
    .length;
}
