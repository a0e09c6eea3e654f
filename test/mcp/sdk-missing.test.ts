import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runNode } from "../support/command.ts";
import { installCopy } from "../support/installed-copy.ts";

test("Without the SDK of the protocol `mcp` says what to install, and other commands work", async () => {
  const { folder, remove } = await installCopy();
  onTestFinished(remove);
  const run = (...args: string[]) => runNode([join(folder, "dist/cli.js"), ...args], {}, folder);
  const mcp = run("mcp");
  expect(await mcp.exited).toBe(1);
  expect(mcp.stdout()).toBe("");
  expect(mcp.stderr()).toContain("npm install @modelcontextprotocol/sdk");
  expect(await run("help", "search").exited).toBe(0);
});
