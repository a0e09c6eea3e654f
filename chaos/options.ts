import { parseCommand, wholeNumber } from "../src/commands/command.ts";
import { UsageError } from "../src/errors.ts";

export interface ChaosOptions {
  /** A server whose user may create databases. */
  readonly server: string;
  /** Crashes and restarts that server; undefined: the server is not restarted. */
  readonly restartCommand: string | undefined;
  /** Whether the vectors are kept in a separate table. */
  readonly into: boolean;
  readonly seconds: number;
  readonly seed: number;
  readonly listeners: number;
  readonly writers: number;
  /** Average time between faults of one kind, in ms. */
  readonly killEveryMs: number;
  readonly restartEveryMs: number;
}

const SHORT_SECONDS = 25;

const usage =
  "npm run chaos -- [--short | --seconds 60] [--seed 1] [--listeners 3] [--writers 6] [--kill-every 4] [--restart-every 40] [--into]";

/**
 * Reads the options of `usage`. The server is that of TEST_DATABASE_URL; CHAOS_RESTART_COMMAND crashes and restarts it.
 * @throws {UsageError}
 */
export function readOptions(args: readonly string[], environment: NodeJS.ProcessEnv): ChaosOptions {
  const { values } = parseCommand({ usage }, args, {
    options: {
      short: { type: "boolean", default: false },
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      listeners: { type: "string", default: "3" },
      writers: { type: "string", default: "6" },
      "kill-every": { type: "string", default: "4" },
      into: { type: "boolean", default: false },
      "restart-every": { type: "string", default: "40" },
    },
  });
  const server = environment["TEST_DATABASE_URL"];
  if (server === undefined) {
    throw new UsageError(
      "TEST_DATABASE_URL is not set: chaos needs a native Postgres of its own.",
      "Start one with .ci/native-postgres start, and set TEST_DATABASE_URL to what it prints.",
    );
  }
  return {
    server,
    restartCommand: environment["CHAOS_RESTART_COMMAND"],
    into: values.into,
    seconds: values.short ? SHORT_SECONDS : wholeNumber("--seconds", values.seconds),
    seed: wholeNumber("--seed", values.seed),
    listeners: wholeNumber("--listeners", values.listeners),
    writers: wholeNumber("--writers", values.writers),
    killEveryMs: 1000 * wholeNumber("--kill-every", values["kill-every"]),
    restartEveryMs: 1000 * (values.short ? 10 : wholeNumber("--restart-every", values["restart-every"])),
  };
}
