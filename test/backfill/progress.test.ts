import { expect, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";

test("Of a progress in lines the last one, when all is done, is printed once", () => {
  const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const progress = showProgress("lines");
  for (const done of [2, 3, 3, 3])
    progress.show({ done, total: 3, chunks: 0, cached: 0, failed: 0, tokens: 0 });
  const lines = printed.mock.calls.map(([line]) => String(line));
  printed.mockRestore();
  expect(lines.filter((line) => line.startsWith("3/3 rows"))).toHaveLength(1);
});
