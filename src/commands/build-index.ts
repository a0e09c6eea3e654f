import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { buildIndex as build } from "../search/build-index.ts";
import { chooseSources } from "../sources/choose-sources.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

/** An amount that `maintenance_work_mem` accepts. */
const AMOUNT = /^\d{1,9}(kB|MB|GB|TB)$/;

const OPTIONS = {
  now: {
    type: "boolean",
    default: false,
    about: "does not wait for the backfill; the build then costs several times as much",
  },
  memory: { type: "string", value: "AMOUNT", about: "maintenance_work_mem of the build, such as 2GB" },
} as const satisfies Options;

export const buildIndex: Command = {
  usage: invocation("index", "SOURCE [--now] [--memory 2GB]"),
  summary: "build the HNSW index that searches use, after the backfill, without blocking readers and writers",
  options: OPTIONS,
  examples: [
    [invocation("index", "tickets"), "after the backfill of tickets"],
    [invocation("index", "tickets --memory 2GB"), "faster, if the graph fits into 2 GB"],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(buildIndex, args, {
      allowPositionals: true,
      options: OPTIONS,
    });
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0)
      throw new UsageError("Name one source.", `Usage: ${buildIndex.usage}`);
    const { memory } = values;
    if (memory !== undefined && !AMOUNT.test(memory)) {
      throw new UsageError(
        `--memory takes an amount such as 2GB, got ${JSON.stringify(memory)}.`,
        `Usage: ${buildIndex.usage}`,
      );
    }
    const signal = abortedBySignal();
    return await withDatabase(async (db, config) => {
      const [source] = await chooseSources(db, name);
      if (source === undefined) return 1;
      const index = await build(db, source, {
        database: config,
        now: values.now,
        memory,
        signal,
        onProgress: (line) => {
          console.error(line);
        },
      });
      console.log(
        index.built
          ? `${index.name} was built in ${formatDuration(index.seconds)}. Searches use it from now on.`
          : `${index.name} already exists and is valid.`,
      );
      return 0;
    }, signal);
  },
};
