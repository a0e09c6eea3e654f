import { sql } from "kysely";
import { readConfig } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { directUrl, openPool } from "../database/pools.ts";
import { stateOf } from "../database/require-migrated.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { checkApplied } from "../migrate/applied.ts";
import { firstVersion } from "../migrate/first-version.ts";
import { readMigrationFiles } from "../migrate/migration-files.ts";
import { ownNames } from "../uninstall/own-names.ts";
import { planUninstall, refuseForeign } from "../uninstall/plan.ts";
import { isInstalled } from "../uninstall/schema-contents.ts";
import { uninstall as removeAll } from "../uninstall/uninstall.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { confirmed } from "./confirmed.ts";
import { describeUninstall } from "./describe-uninstall.ts";

const OPTIONS = {
  "dry-run": {
    type: "boolean",
    default: false,
    about: "lists what would go, with sizes, and changes nothing",
  },
  vectors: {
    type: "boolean",
    default: false,
    about: "also removes the columns, tables and views that watch made for vectors",
  },
  yes: { type: "boolean", default: false, about: "asks for no confirmation" },
} as const satisfies Options;

export const uninstall: Command = {
  usage: invocation("uninstall", "[--dry-run] [--vectors] [--yes]"),
  summary:
    "take everything of pg-autoembed out of the database, and nothing else; your rows and their vectors stay",
  options: OPTIONS,
  examples: [
    [invocation("uninstall", "--dry-run --vectors"), "what would go, what stays, and how large each is"],
    [invocation("uninstall"), "asks first; interrupted, it goes on when it is run again"],
  ],
  async run(args) {
    const { values } = parseCommand(uninstall, args, { options: OPTIONS });
    const config = readConfig(process.env, console.error);
    const { DATABASE_URL } = config;
    if (DATABASE_URL === undefined) {
      throw new UsageError(
        "DATABASE_URL is not set, so there is no database to leave.",
        `Set it in the environment or in .env. (The embedded default is all in the folder ${config.EMBED_DATA_DIR}: stop it, and delete that.)`,
      );
    }
    const urls = { ...config, DATABASE_URL };
    const { applied, isFirstVersion } = await stateOf(directUrl(urls));
    if (isFirstVersion) throw firstVersion();
    const files = await readMigrationFiles();
    checkApplied(files, applied);
    const db = openPool("command", urls);
    try {
      return await run(db, ownNames(files), values);
    } finally {
      await db.destroy();
    }
  },
};

interface Values {
  readonly "dry-run": boolean;
  readonly vectors: boolean;
  readonly yes: boolean;
}

async function run(db: Database, names: ReturnType<typeof ownNames>, values: Values): Promise<number> {
  if (!(await isInstalled(db, names))) {
    console.log("Nothing of pg-autoembed is installed in this database.");
    return 0;
  }
  const plan = await planUninstall(db, names, values.vectors);
  console.log(describeUninstall(plan));
  await refuseForeign(db, names, plan);
  if (values["dry-run"]) {
    console.log("This was a dry run: nothing was changed.");
    return 0;
  }
  const database = await databaseName(db);
  const question = `To remove this from the database ${database}, type its name: `;
  if (!values.yes && !(await confirmed(question, database))) {
    console.error("That is not its name. Nothing was removed.");
    return 1;
  }
  await removeAll(db, names, plan, (step) => {
    console.error(step);
  });
  console.log("pg-autoembed is uninstalled from this database.");
  return 0;
}

async function databaseName(db: Database): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  return rows[0]?.name ?? "";
}
