import { invocation } from "../invocation.ts";
import { retryFailed } from "../queue/retry.ts";
import { chooseSources } from "../sources/choose-sources.ts";
import { parseCommand, type Command } from "./command.ts";
import { withDatabase } from "./with-database.ts";

export const retry: Command = {
  usage: invocation("retry", "[--source NAME] [--key KEY]…"),
  summary: "retry failed rows: all of them, those of one source, or those with the given keys",
  async run(args) {
    const { values } = parseCommand(retry, args, {
      options: { source: { type: "string" }, key: { type: "string", multiple: true } },
    });
    return await withDatabase(async (db) => {
      if (values.source !== undefined) await chooseSources(db, values.source);
      const rows = await retryFailed(db, { source: values.source, keys: values.key });
      console.log(rows === 1 ? "1 row is pending again." : `${rows} rows are pending again.`);
      return values.key !== undefined && rows === 0 ? 1 : 0;
    });
  },
};
