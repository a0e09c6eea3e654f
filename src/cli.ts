#!/usr/bin/env node
import { config as loadDotenv } from "dotenv";
import { COMMANDS, describeCommands } from "./commands/commands.ts";
import { UsageError } from "./errors.ts";
import { describeFailure, exitCodeOf } from "./report-failure.ts";

/** Exit codes: 0 done, 1 failed, 2 bad usage or configuration. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === "help" || name === "--help") {
    console.log(describeCommands());
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    throw new UsageError(`There is no command ${JSON.stringify(name)}.`, `Commands:\n${describeCommands()}`);
  }
  loadDotenv({ quiet: true });
  return await command.run(args);
}

function report(error: unknown): number {
  console.error(describeFailure(error));
  return exitCodeOf(error);
}

// Node would print all properties of an error, and a database's error contains rows.
process.on("uncaughtException", (error) => process.exit(report(error)));
// It is no failure if the reader of a pipe (`| head`) has gone.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await main(process.argv.slice(2)).catch(report);
// Nothing should be open any more. A connection whose server does not answer must not keep the process alive.
setTimeout(() => process.exit(), 1_000).unref();
