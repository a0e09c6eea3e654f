import type { TestModule } from "vitest/node";

const SET_SERVER = "set TEST_DATABASE_URL";

/**
 * The title of a suite that is skipped.
 * @param remedy what makes it run; usually a native Postgres
 */
export function skippedTitle(name: string, reason: string, remedy = SET_SERVER): string {
  return `${name} (skipped: ${reason}; ${remedy})`;
}

/**
 * Which suites and tests of a run were skipped, and why. The last line counts them, and what a native Postgres runs besides.
 * @param longFiles how many files were left out because they take long on the embedded Postgres
 */
export function describeSkippedSuites(modules: readonly TestModule[], longFiles: number): string[] {
  const skipped = modules.flatMap((module) =>
    [...module.children.allSuites()].flatMap(({ name: title }) => {
      const [, name, reason, remedy] = /^(.*) \(skipped: (.*); (.*)\)$/.exec(title) ?? [];
      if (name === undefined || reason === undefined || remedy === undefined) return [];
      return [{ line: `skipped: ${module.relativeModuleId}: ${name}: ${reason}`, remedy }];
    }),
  );
  const tests = modules.flatMap((module) =>
    [...module.children.allTests("skipped")].flatMap((test) => {
      const result = test.result();
      if (result.state !== "skipped" || result.note === undefined) return [];
      return [`skipped: ${module.relativeModuleId}: ${test.name}: ${result.note}`];
    }),
  );
  const suiteLines = skipped.map(({ line, remedy }) => (remedy === SET_SERVER ? line : `${line}; ${remedy}`));
  const lines = [...suiteLines, ...tests];
  const suites = skipped.filter(({ remedy }) => remedy === SET_SERVER).length;
  const counted = [
    ...(suites > 0 ? [`${suites} suites that need several sessions`] : []),
    ...(longFiles > 0 ? [`${longFiles} test files that take long on the embedded Postgres`] : []),
  ].join(" and ");
  if (counted === "") return lines;
  const here = longFiles > 0 ? ", or TEST_LONG=1 to run the long ones here" : "";
  return [...lines, `skipped: ${counted}; set TEST_DATABASE_URL to run all of them${here}`];
}
