import type { TestModule } from "vitest/node";

/** The title of a suite that is skipped because it needs a native Postgres. */
export function skippedTitle(name: string, reason: string): string {
  return `${name} (skipped: ${reason}; set TEST_DATABASE_URL)`;
}

/** Which suites of a run were skipped for that, and why; the last line counts them. */
export function describeSkippedSuites(modules: readonly TestModule[]): string[] {
  const skipped = modules.flatMap((module) =>
    [...module.children.allSuites()].flatMap(({ name: title }) => {
      const [, name, reason] = /^(.*) \(skipped: (.*); set TEST_DATABASE_URL\)$/.exec(title) ?? [];
      return name === undefined || reason === undefined
        ? []
        : [`skipped: ${module.relativeModuleId}: ${name}: ${reason}`];
    }),
  );
  if (skipped.length === 0) return [];
  const [suites, were] = skipped.length === 1 ? ["suite needs", "was"] : ["suites need", "were"];
  return [...skipped, `${skipped.length} ${suites} TEST_DATABASE_URL (several sessions) and ${were} skipped`];
}
