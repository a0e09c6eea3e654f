#!/usr/bin/env node
import { config as loadDotenv } from "dotenv";
import { COMMANDS, describeCommands } from "./commands/commands.ts";
import { SetupError, UsageError } from "./errors.ts";
import { ProviderError } from "./providers/provider-error.ts";

/** Exit codes: 0 done, 1 failed, 2 bad usage or configuration. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === "help" || name === "--help") {
    console.log(describeCommands());
    return 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    throw new UsageError(`There is no command ${JSON.stringify(name)}.`, `Commands:\n${describeCommands()}`);
  }
  loadDotenv({ quiet: true });
  return await command.run(args);
}

function report(error: unknown): number {
  if (error instanceof SetupError) console.error(`${error.message}\n${error.remedy}`);
  else if (error instanceof ProviderError) console.error(error.message);
  else console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return error instanceof UsageError ? 2 : 1;
}

process.exitCode = await main(process.argv.slice(2)).catch(report);
// Nothing should be open any more; a connection that nobody answers must not keep the process.
setTimeout(() => process.exit(), 1_000).unref();
