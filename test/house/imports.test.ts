import { expect, test } from "vitest";
import { importsOf, knots, roomOf, sourceFiles } from "./import-graph.ts";

/**
 * The rooms of `src` from the ground up: folders, and the files that lie in `src` itself. A room imports only from rooms
 * above it in this list.
 */
const ROOMS = [
  "errors.ts",
  "sqlstate.ts",
  "nearest-name.ts",
  "invocation.ts",
  "printable.ts",
  "version.ts",
  "optional-packages.ts",
  "worker-thread.ts",
  "log-pretty.ts",
  "timing",
  "events.ts",
  "log.ts",
  "misspelled-settings.ts",
  "of-kubernetes.ts",
  "setting-types.ts",
  "migrate",
  "database",
  "migrate.ts",
  "embedded",
  "demo",
  "chunks",
  "sources",
  "ledger",
  "pages",
  "queue",
  "providers",
  "config.ts",
  "report-failure.ts",
  "pipeline",
  "batches",
  "membership",
  "listener",
  "watch",
  "search",
  "erase",
  "status",
  "verify",
  "doctor",
  "backfill",
  "model-change",
  "declared",
  "adopt",
  "setup",
  "uninstall",
  "http",
  "mcp",
  "application.ts",
  "index.ts",
  "commands",
  "command-line.ts",
  "cli.ts",
];

const imports = sourceFiles().flatMap(importsOf);

test("Every room of src imports only from the rooms listed before it", () => {
  const upward = imports.filter(({ from, to }) => {
    const [importer, imported] = [ROOMS.indexOf(roomOf(from)), ROOMS.indexOf(roomOf(to))];
    return importer === -1 || imported === -1 || imported > importer;
  });
  expect(upward).toEqual([]);
});

test("Every room in the list exists", () => {
  expect(ROOMS).toEqual(ROOMS.filter((room) => sourceFiles().some((file) => roomOf(file) === room)));
});

test("No files of src import one another in a circle, not even types", () => {
  expect(knots(imports)).toEqual([]);
});
