import type { Command } from "./commands/command.ts";
import { COMMANDS } from "./commands/commands.ts";
import { guardConsole } from "./commands/guard-console.ts";
import { describeCommand, describeCommands, unknownCommand } from "./commands/help.ts";
import { SetupError } from "./errors.ts";
import { describeFailure, exitCodeOf } from "./report-failure.ts";
import { loadEnvFile } from "./setup/env-file.ts";
import { VERSION } from "./version.ts";

/** Exit codes: 0 done, 1 failed, 2 bad usage or configuration. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === "--version" || name === "-v") {
    console.log(VERSION);
    return 0;
  }
  if (name === undefined || name === "help" || isHelp(name)) {
    console.log(args[0] === undefined ? await describeCommands() : describeCommand(await commandOf(args[0])));
    return 0;
  }
  const command = await commandOf(name);
  const end = args.indexOf("--");
  if (args.slice(0, end === -1 ? undefined : end).some(isHelp)) {
    console.log(describeCommand(command));
    return 0;
  }
  loadEnvFile();
  return await command.run(args);
}

function isHelp(argument: string): boolean {
  return argument === "--help" || argument === "-h";
}

async function commandOf(name: string): Promise<Command> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw await unknownCommand(name);
  return load();
}

function report(error: unknown): number {
  console.error(describeFailure(error));
  return exitCodeOf(error);
}

// Node would print all properties of an error, and a database's error contains rows.
process.on("uncaughtException", (error) => process.exit(report(error)));
// It is no failure if the reader of a pipe (`| head`) has gone.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  const { code = "unknown" } = error;
  if (code === "EPIPE") return;
  throw new SetupError(
    `The output cannot be written (${code}).`,
    "Check the file that it goes to, and its disk.",
  );
});

guardConsole();
process.exitCode = await main(process.argv.slice(2)).catch(report);
// Nothing should be open any more. A connection whose server does not answer must not keep the process alive.
setTimeout(() => process.exit(), 1_000).unref();
