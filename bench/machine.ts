import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { BenchServer } from "./bench-database.ts";
import { PEERS } from "./contenders.ts";

/** Describes the machine: without it, the figures mean nothing. */
export async function describeMachine(server: BenchServer): Promise<Record<string, string>> {
  const [cpu] = cpus();
  const { postgres, settings } = await server.describe();
  return {
    cpu: `${cpus().length} x ${cpu?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    kernel: release(),
    node: process.version,
    postgres,
    peers: PEERS || "none installed",
    settings,
    commit: commit(),
    load: loadavg()
      .map((load) => load.toFixed(1))
      .join(" "),
    at: new Date().toISOString(),
  };
}

function commit(): string {
  try {
    const hash = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
    const changed = execFileSync("git", ["status", "--porcelain", "-uno"], { encoding: "utf8" }) !== "";
    return changed ? `${hash} with changes` : hash;
  } catch {
    return "unknown";
  }
}
