import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { unwatch as unwatchSource } from "../watch/unwatch.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {} satisfies Options;

export const unwatch: Command = {
  usage: invocation("unwatch", "NAME"),
  summary: "stop watching a source; the table, its texts and its vectors stay as they are",
  options: OPTIONS,
  examples: [
    [invocation("unwatch", "tickets"), "the table keeps its vectors, but they no longer follow the texts"],
    [invocation("unwatch", '"ticket bodies"'), "a name with a space needs quotes"],
  ],
  async run(args) {
    const { positionals } = parseCommand(unwatch, args, { allowPositionals: true, options: OPTIONS });
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) {
      throw new UsageError(
        "Name one source.",
        `Usage: ${unwatch.usage}\n${invocation("sources")} lists the sources.`,
      );
    }
    return await withDatabase(async (db) => {
      await unwatchSource(db, name);
      console.log(`${name} is no longer watched. Its table and its vectors stay as they are.`);
      return 0;
    });
  },
};
