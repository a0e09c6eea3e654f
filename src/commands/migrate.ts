import { readConfig } from "../config.ts";
import { UsageError } from "../errors.ts";
import { migrate as runMigrations } from "../migrate.ts";
import { openProvider } from "../providers/open-provider.ts";
import { providerSettings } from "../sources/provider-settings.ts";
import { parseCommand, type Command } from "./command.ts";

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
    const dimensions = config.EMBEDDING_DIM ?? (await askProvider(config));
    await runMigrations({
      databaseUrl: config.DATABASE_URL,
      dimensions,
      onMessage: (message) => {
        console.error(message);
      },
    });
    console.log(`The database is up to date (vectors of ${dimensions} dimensions).`);
    return 0;
  },
};

/** The length of the vectors that the configured provider makes. */
async function askProvider(config: Parameters<typeof providerSettings>[0]): Promise<number> {
  const provider = await openProvider(providerSettings(config));
  await provider.close();
  return provider.dimensions;
}
