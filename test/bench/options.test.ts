import { expect, test } from "vitest";
import { runNode } from "../support/command.ts";

async function bench(...args: string[]) {
  const command = runNode(["--import", "tsx", "bench/main.ts", ...args], {}, process.cwd());
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

test(
  "The bench explains its parts and options, and refuses others in one line",
  { timeout: 60_000 },
  async () => {
    const help = await bench("--help");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const shown of [
      "--chart RESULTS",
      "--collections FOLDER",
      "backfill statements",
      "relevance pace soak",
    ])
      expect(help.stdout).toContain(shown);
    for (const [args, says] of [
      [["--quik"], /^There is no option --quik\. Did you mean --quick\?\n$/],
      [["--rows", "7"], /^--rows takes a whole number from 1,000\.\n$/],
      [["backfil", "pace"], /^There is no part backfil\. Parts: backfill .* soak\.\n$/],
      [[], /^Set TEST_DATABASE_URL to a native Postgres .*\n$/],
    ] as const) {
      expect(await bench(...args)).toEqual({
        code: 2,
        stdout: "",
        stderr: expect.stringMatching(says) as string,
      });
    }
  },
);
