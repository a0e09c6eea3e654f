import { readConfig, type Config } from "../config.ts";
import { directUrl } from "../database/pools.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { migrate as runMigrations } from "../migrate.ts";
import { printMigrations } from "../migrate/print.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { refuseTogether, refuseWithout } from "./options-together.ts";
import { dimensionsOf } from "../providers/with-provider.ts";

const OPTIONS = {
  "from-0.1": {
    type: "boolean",
    default: false,
    about: "takes over a database of version 0.1; stop its listeners first",
  },
  print: {
    type: "boolean",
    default: false,
    about: "prints the SQL for another migration tool, and changes nothing",
  },
  after: { type: "string", value: "FILE", about: "with --print: only what follows this file of tables" },
} as const satisfies Options;

export const migrate: Command = {
  usage: invocation("migrate", "[--from-0.1] | --print [--after FILE]"),
  summary:
    "bring the database of DATABASE_URL up to date; safe to run again, and from several deploys at once; --print writes the SQL for another tool",
  options: OPTIONS,
  examples: [
    [invocation("migrate"), "once per release, before the listeners start"],
    [invocation("migrate", "--print"), "SQL for Drizzle, Prisma, Flyway or psql"],
  ],
  async run(args) {
    const { values } = parseCommand(migrate, args, {
      options: OPTIONS,
    });
    refuseTogether(migrate, values, ["print", "from-0.1"]);
    refuseWithout(migrate, values, "after", "print");
    const config = readConfig(process.env, console.error);
    if (values.print) {
      process.stdout.write(await printMigrations(await dimensionsOf(config), values.after));
      return 0;
    }
    return await run(config, values["from-0.1"]);
  },
};

async function run(config: Config, adoptsFirstVersion: boolean): Promise<number> {
  if (config.DATABASE_URL === undefined) {
    throw new UsageError(
      "DATABASE_URL is not set, so there is nothing to migrate.",
      `Set it in the environment or in .env. (The embedded default migrates itself at \`${invocation("start")}\`.)`,
    );
  }
  const dimensions = await dimensionsOf(config);
  await runMigrations({
    databaseUrl: directUrl({ ...config, DATABASE_URL: config.DATABASE_URL }),
    dimensions,
    adoptsFirstVersion,
    onMessage: (message) => {
      console.error(message);
    },
  });
  console.log(`The database is up to date (vectors of ${dimensions} dimensions).`);
  return 0;
}
