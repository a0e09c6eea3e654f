import { invocation } from "../invocation.ts";
import { retryFailed } from "../queue/retry.ts";
import { chooseSources } from "../sources/choose-sources.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "retries rows of this source alone" },
  key: { type: "string", value: "KEY", multiple: true, about: "retries the row with this key" },
} as const satisfies Options;

export const retry: Command = {
  usage: invocation("retry", "[--source NAME] [--key KEY]…"),
  summary: "retry failed rows: all of them, those of one source, or those with the given keys",
  options: OPTIONS,
  examples: [
    [invocation("retry", "--source tickets"), "after the cause is fixed"],
    [invocation("retry", "--source tickets --key 17 --key 18"), "these two rows"],
  ],
  async run(args) {
    const { values } = parseCommand(retry, args, {
      options: OPTIONS,
    });
    return await withDatabase(async (db) => {
      if (values.source !== undefined) await chooseSources(db, values.source);
      const rows = await retryFailed(db, { source: values.source, keys: values.key });
      console.log(rows === 1 ? "1 row is pending again." : `${rows} rows are pending again.`);
      if (values.key === undefined || rows > 0) return 0;
      // One value may be written in several ways, as 1.0 and 1.00.
      console.error(`No failed row has such a key. Write it as \`${invocation("failed")}\` shows it.`);
      return 1;
    });
  },
};
