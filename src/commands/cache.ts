import { pruneCache } from "../queue/prune-cache.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  "older-than": { type: "string", value: "DAYS", default: "0d", about: "keeps what is younger, such as 90d" },
} as const satisfies Options;

export const cache: Command = {
  usage: invocation("cache", "prune [--older-than 90d]"),
  summary: "remove cached vectors of texts that rows had before, for erasure and for space",
  options: OPTIONS,
  examples: [
    [invocation("cache", "prune"), "removes every cached vector that no row has any more"],
    [invocation("cache", "prune --older-than 90d"), "keeps those of the last 90 days"],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(cache, args, {
      allowPositionals: true,
      options: OPTIONS,
    });
    if (positionals.length !== 1 || positionals[0] !== "prune") {
      throw new UsageError("Say what to do with the cache.", `Usage: ${cache.usage}`);
    }
    const olderThanDays = days(values["older-than"]);
    await withDatabase(async (db) => {
      const removed = await pruneCache(db, olderThanDays);
      console.log(`${removed} cached vectors removed.`);
    });
    return 0;
  },
};

function days(value: string): number {
  const found = /^(\d{1,5})d$/.exec(value);
  if (found === null)
    throw new UsageError(
      `--older-than takes a number of days, got ${JSON.stringify(value)}.`,
      "Such as: 90d",
    );
  return Number(found[1]);
}
