import type { CommandName } from "../invocation.ts";
import type { Command } from "./command.ts";

/** Every command, in the order in which a newcomer needs them. Each is loaded when it is asked for: all take a second. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import("./start.ts")).start,
  demo: async () => (await import("./demo.ts")).demo,
  init: async () => (await import("./init.ts")).init,
  diff: async () => (await import("./diff.ts")).diff,
  apply: async () => (await import("./apply.ts")).apply,
  migrate: async () => (await import("./migrate.ts")).migrate,
  backfill: async () => (await import("./backfill.ts")).backfill,
  drain: async () => (await import("./drain.ts")).drain,
  status: async () => (await import("./status.ts")).status,
  search: async () => (await import("./search.ts")).search,
  mcp: async () => (await import("./mcp.ts")).mcp,
  index: async () => (await import("./build-index.ts")).buildIndex,
  watch: async () => (await import("./watch.ts")).watch,
  unwatch: async () => (await import("./unwatch.ts")).unwatch,
  adopt: async () => (await import("./adopt.ts")).adopt,
  sources: async () => (await import("./sources.ts")).sources,
  remodel: async () => (await import("./remodel.ts")).remodel,
  pause: async () => (await import("./pause.ts")).pause,
  resume: async () => (await import("./pause.ts")).resume,
  failed: async () => (await import("./failed.ts")).failed,
  retry: async () => (await import("./retry.ts")).retry,
  verify: async () => (await import("./verify.ts")).verify,
  doctor: async () => (await import("./doctor.ts")).doctor,
  cache: async () => (await import("./cache.ts")).cache,
  egress: async () => (await import("./egress.ts")).egress,
  erase: async () => (await import("./erase.ts")).erase,
  uninstall: async () => (await import("./uninstall.ts")).uninstall,
} satisfies Record<CommandName, () => Promise<Command>>;
