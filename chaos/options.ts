import { parseCommand, wholeNumber } from "../src/commands/command.ts";
import { UsageError } from "../src/errors.ts";

export interface ChaosOptions {
  /** A server whose user may create databases. */
  readonly server: string;
  /** Crashes and restarts that server; undefined: the server is not restarted. */
  readonly restartCommand: string | undefined;
  /** Makes a standby the primary, and prints its URL; undefined: there is no failover. */
  readonly failoverCommand: string | undefined;
  /** Whether every second listener and writer connects through a PgBouncer. */
  readonly pooler: boolean;
  /** Average time between changes of the watched table's columns, in ms; undefined: there are none. */
  readonly alterEveryMs: number | undefined;
  /** The isolation level of all users; undefined: they differ. */
  readonly isolation: string | undefined;
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
  "npm run chaos -- [--short | --seconds 60] [--seed 1] [--listeners 3] [--writers 6] [--kill-every 4] [--restart-every 40] [--into] " +
  "[--pooler] [--alter-every 10] [--isolation 'repeatable read'] [--failover] [--all]";
const ISOLATIONS = ["read committed", "repeatable read", "serializable"];

/**
 * Reads the options of `usage`. The server is that of TEST_DATABASE_URL; CHAOS_RESTART_COMMAND crashes and restarts it,
 * CHAOS_FAILOVER_COMMAND puts a standby in its place. `--all` is the pooler, the changes of columns and the failover.
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
      pooler: { type: "boolean", default: false },
      "alter-every": { type: "string" },
      isolation: { type: "string" },
      failover: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
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
  const failoverCommand = environment["CHAOS_FAILOVER_COMMAND"];
  if ((values.failover || values.all) && failoverCommand === undefined) {
    throw new UsageError(
      "CHAOS_FAILOVER_COMMAND is not set: there is no standby to fail over to.",
      'Set it to ".ci/native-postgres failover", with NATIVE_POSTGRES_PORT set to the port of the server.',
    );
  }
  const { isolation } = values;
  if (isolation !== undefined && !ISOLATIONS.includes(isolation))
    throw new UsageError(
      "There is no such isolation level.",
      `--isolation is one of ${ISOLATIONS.join(", ")}.`,
    );
  const alterEvery = values["alter-every"] ?? (values.all ? (values.short ? "3" : "10") : undefined);
  return {
    server,
    failoverCommand: values.failover || values.all ? failoverCommand : undefined,
    pooler: values.pooler || values.all,
    alterEveryMs: alterEvery === undefined ? undefined : 1000 * wholeNumber("--alter-every", alterEvery),
    isolation,
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
