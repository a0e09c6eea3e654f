import { readConfig } from "../config.ts";
import { connect } from "../database/connect.ts";
import { collectStatus } from "../status/collect-status.ts";
import { describeStatus } from "../status/describe-status.ts";
import { parseCommand, type Command } from "./command.ts";
import { openDatabase } from "./database-of.ts";

export const status: Command = {
  usage: "npm run status -- [--json]",
  summary: "what is current, pending and failed, a source a line",
  async run(args) {
    const { values } = parseCommand(status, args, { options: { json: { type: "boolean", default: false } } });
    const database = await openDatabase(readConfig(process.env));
    const db = connect({ databaseUrl: database.config.DATABASE_URL, maxConnections: 1, ownSessions: true });
    try {
      const collected = await collectStatus(db);
      console.log(values.json ? JSON.stringify(collected) : describeStatus(collected));
      return 0;
    } finally {
      await db.destroy();
      await database.close();
    }
  },
};
