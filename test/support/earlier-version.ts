import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, onTestFinished } from "vitest";
import { runNode, type runCommand } from "./command.ts";
import { describeNative } from "./database.ts";
import { skippedTitle } from "./skipped-suites.ts";

/** A `describeNative` that is also skipped where a commit is missing: in a shallow clone, or without git's history. */
export function describeWithCommit(commit: string, name: string, reason: string, tests: () => void): void {
  if (isInHistory(commit)) {
    describeNative(name, reason, tests);
    return;
  }
  const missing = `the history does not have the commit ${commit.slice(0, 7)}`;
  describe.skip(skippedTitle(name, missing, "clone the whole history"), tests);
}

/** Unpacks a commit into a temporary folder. @returns what runs its command line, from its sources. */
export async function unpackVersion(commit: string): Promise<typeof runCommand> {
  const folder = await mkdtemp(join(tmpdir(), "autoembed-earlier-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const archive = join(folder, "archive.tar");
  execFileSync("git", ["archive", "--output", archive, commit]);
  execFileSync("tar", ["-xf", archive, "-C", folder]);
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  // A build would take longer than the whole test.
  const cli = ["--import", "tsx", join(folder, "src/cli.ts")];
  return (args, environment) => runNode([...cli, ...args], environment, folder);
}

function isInHistory(commit: string): boolean {
  try {
    execFileSync("git", ["cat-file", "-e", `${commit}^{commit}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
