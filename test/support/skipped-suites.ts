import type { TestModule } from "vitest/node";

const SET_SERVER = "set TEST_DATABASE_URL";

/**
 * The title of a suite that is skipped.
 * @param remedy what makes it run; usually a native Postgres
 */
export function skippedTitle(name: string, reason: string, remedy = SET_SERVER): string {
  return `${name} (skipped: ${reason}; ${remedy})`;
}

/** Which suites of a run were skipped, and why; the last line counts those that need a native Postgres. */
export function describeSkippedSuites(modules: readonly TestModule[]): string[] {
  const skipped = modules.flatMap((module) =>
    [...module.children.allSuites()].flatMap(({ name: title }) => {
      const [, name, reason, remedy] = /^(.*) \(skipped: (.*); (.*)\)$/.exec(title) ?? [];
      if (name === undefined || reason === undefined || remedy === undefined) return [];
      return [{ line: `skipped: ${module.relativeModuleId}: ${name}: ${reason}`, remedy }];
    }),
  );
  const lines = skipped.map(({ line, remedy }) => (remedy === SET_SERVER ? line : `${line}; ${remedy}`));
  const count = skipped.filter(({ remedy }) => remedy === SET_SERVER).length;
  if (count === 0) return lines;
  const [suites, were] = count === 1 ? ["suite needs", "was"] : ["suites need", "were"];
  return [...lines, `${count} ${suites} TEST_DATABASE_URL (several sessions) and ${were} skipped`];
}
