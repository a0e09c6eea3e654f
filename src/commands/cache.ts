import { pruneCache } from "../queue/prune-cache.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { parseCommand, type Command } from "./command.ts";
import { withDatabase } from "./with-database.ts";

export const cache: Command = {
  usage: invocation("cache", "prune [--older-than 90d]"),
  summary: "remove cached vectors of texts that rows had before, for erasure and for space",
  async run(args) {
    const { values, positionals } = parseCommand(cache, args, {
      allowPositionals: true,
      options: { "older-than": { type: "string", default: "0d" } },
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
