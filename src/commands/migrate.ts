import { readConfig } from "../config.ts";
import { directUrl } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { migrate as runMigrations } from "../migrate.ts";
import { parseCommand, type Command } from "./command.ts";
import { dimensionsOf } from "./dimensions-of.ts";

export const migrate: Command = {
  usage: "npm run migrate",
  summary:
    "bring the database of DATABASE_URL up to date; safe to run again, and from several deploys at once",
  async run(args) {
    parseCommand(migrate, args, { options: {} });
    const config = readConfig(process.env);
    if (config.DATABASE_URL === undefined) {
      throw new UsageError(
        "DATABASE_URL is not set, so there is nothing to migrate.",
        "Set it in the environment or in .env. (The embedded default migrates itself at `npm start`.)",
      );
    }
    const dimensions = await dimensionsOf(config);
    await runMigrations({
      databaseUrl: directUrl({ ...config, DATABASE_URL: config.DATABASE_URL }),
      dimensions,
      onMessage: (message) => {
        console.error(message);
      },
    });
    console.log(`The database is up to date (vectors of ${dimensions} dimensions).`);
    return 0;
  },
};
