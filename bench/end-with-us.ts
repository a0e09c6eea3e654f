import type { ChildProcess } from "node:child_process";

/** Kills a child that is still running when this process ends: an interrupted bench leaves nothing behind. */
export function endWithUs(child: ChildProcess): void {
  const kill = (): void => void child.kill();
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));
}
