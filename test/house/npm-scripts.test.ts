import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as {
  readonly scripts: Readonly<Record<string, string>>;
};
/** Node, npm, and what `npm ci` puts into node_modules/.bin. */
const PROGRAMS =
  /^(?:node|npm|tsc|tsx|vitest|eslint|prettier|knip|publint|kysely-codegen)(?: (?:[\w./:-]+|--[\w-]+=\d+|"[^"$`]*"))*$/;

// Its exec is exec.cmd there. Without exec, sh ends at the first Ctrl-C with 130, while the listener is still stopping (test/cli/ctrl-c.long.test.ts).
const NEEDS_SH = ["start"];

test("The npm scripts run in sh and in cmd.exe alike: programs, arguments and && alone; start has an exec of its own for cmd.exe", () => {
  const others = Object.entries(scripts).filter(
    ([, script]) => !script.split(" && ").every((command) => PROGRAMS.test(command)),
  );
  expect(others.map(([name]) => name)).toEqual(NEEDS_SH);
  for (const [, script] of others) expect(script).toMatch(/^exec env \w+=\d+ node [\w./:-]+ \w+$/);
  // In sh the builtin comes first; cmd.exe looks into the folder that npm starts the script in.
  expect(readFileSync("exec.cmd", "utf8").split("\r\n").slice(-2)).toEqual([
    '@if "%1"=="env" (%4 %5 %6 %7 %8 %9) else %*',
    "",
  ]);
});
