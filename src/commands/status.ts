import { setTimeout as delay } from "node:timers/promises";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { needsAttention } from "../status/needs-attention.ts";
import { collectStatus } from "../status/collect-status.ts";
import { describeStatus } from "../status/describe-status.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { refuseWithout } from "./options-together.ts";
import { stopSignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

const WATCH_MS = 2_000;
const MAX_AGE_S = 900;
const CLEAR = "\u001b[H\u001b[2J";

const OPTIONS = {
  json: JSON_OPTION,
  watch: { type: "boolean", default: false, about: "draws again every two seconds, until Ctrl-C" },
  check: { type: "boolean", default: false, about: "exits with 1, and says why, if a person is needed" },
  "without-listener": {
    type: "boolean",
    default: false,
    about: "with --check: none has to run, as where a scheduler calls drain",
  },
  "max-age": {
    type: "string",
    value: "SECONDS",
    about: `with --check: how long a change may wait for its vector; default: ${MAX_AGE_S}`,
  },
} as const satisfies Options;

export const status: Command = {
  usage: invocation("status", "[--json | --watch] [--check [--max-age SECONDS] [--without-listener]]"),
  summary:
    "show what is current, pending and failed, one line per source; --watch redraws; --check exits 1 if a person is needed",
  options: OPTIONS,
  examples: [
    [invocation("status", "--watch"), "while a backfill runs"],
    [invocation("status", "--check --max-age 600"), "for monitoring"],
  ],
  async run(args) {
    const { values } = parseCommand(status, args, {
      options: OPTIONS,
    });
    if (values.watch && values.json) {
      throw new UsageError(
        "--json prints one document, but --watch prints repeatedly.",
        "Use only one of them.",
      );
    }
    const maxAgeSeconds = wholeNumber("--max-age", values["max-age"] ?? String(MAX_AGE_S));
    for (const ofCheck of ["max-age", "without-listener"] as const)
      refuseWithout(status, values, ofCheck, "check");
    return await withDatabase(async (db, config) => {
      const stopped = new AbortController();
      if (values.watch) {
        void stopSignal().then(() => {
          stopped.abort();
        });
        // The reader of a pipe has gone.
        process.stdout.once("error", () => {
          stopped.abort();
        });
      }
      do {
        const collected = await collectStatus(db, config);
        const needs = needsAttention(collected, {
          maxAgeSeconds,
          withoutListener: values["without-listener"],
        });
        if (values.watch && process.stdout.isTTY) process.stdout.write(CLEAR);
        console.log(values.json ? JSON.stringify(collected) : describeStatus(collected));
        if (values.check) {
          for (const need of needs) console.error(`Needs attention: ${need}`);
          if (!values.watch) return needs.length > 0 ? 1 : 0;
        }
        if (!values.watch) return 0;
        await delay(WATCH_MS, undefined, { signal: stopped.signal }).catch(() => undefined);
      } while (!stopped.signal.aborted);
      return 0;
    });
  },
};
