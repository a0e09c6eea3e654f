import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("test/README.md has a row for every folder of tests, in their order", () => {
  const rows = [...readFileSync("test/README.md", "utf8").matchAll(/^\| `([a-z-]+)` /gm)].map(
    ([, name]) => name,
  );
  const entries = readdirSync("test", { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== "support");
  expect(rows).toEqual(folders.map(({ name }) => name).toSorted());
});
