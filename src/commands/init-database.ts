import { askOnce } from "../database/ask-once.ts";
import { readConfig } from "../config.ts";
import { connectionProblem } from "../database/connection-problem.ts";
import type { Database } from "../database/connect.ts";
import { PASSWORD_COMMAND } from "../database/password-source.ts";
import { directUrl, openPool } from "../database/pools.ts";
import { SetupError } from "../errors.ts";
import { migrate } from "../migrate.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import { dimensionsOf } from "../providers/with-provider.ts";
import type { NewSettings } from "../setup/new-settings.ts";
import { openDatabase, type OpenDatabase } from "./database-of.ts";
import type { InitValues } from "./init-options.ts";
import { agreesTo } from "./init-provider.ts";
import { askUntil, type Person } from "./init-questions.ts";

/** The database and the provider that were chosen. Nothing is written yet. */
export interface Chosen {
  readonly db: Database;
  readonly config: OpenDatabase["config"];
  readonly isEmbedded: boolean;
  readonly provider: () => ReturnType<typeof describeProvider>;
}

/** The database's address, tried; none is chosen for the embedded Postgres. @throws {SetupError} if it cannot be used */
export async function chooseDatabase(
  settings: NewSettings,
  values: InitValues,
  person: Person,
): Promise<void> {
  const given = values["database-url"];
  const before = settings.get("DATABASE_URL") ?? settings.get("DATABASE_URL_FILE");
  if (given !== undefined) {
    await tryDatabase(given, settings);
    await settings.choose("DATABASE_URL", given, agreesTo(person));
  } else if (before !== undefined) {
    await tryDatabase(readConfig(settings.environment).DATABASE_URL ?? "", settings);
    console.log("The database is that of DATABASE_URL.");
  } else if (person.isThere) {
    const url = await askForDatabase(person, settings);
    if (url !== "") await settings.choose("DATABASE_URL", url, agreesTo(person));
  }
}

async function askForDatabase(person: Person, settings: NewSettings): Promise<string> {
  console.log("Your Postgres, such as postgres://user:password@host:5432/database");
  return await askUntil(
    person,
    "Its address (empty: an embedded one, to try things out): ",
    async (answer) => {
      if (answer === "") return "";
      try {
        await tryDatabase(answer, settings);
        return answer;
      } catch (error) {
        if (!(error instanceof SetupError)) throw error;
        console.log(`${error.message}\n${error.remedy}`);
        return undefined;
      }
    },
  );
}

/** Connects as every command will: with the password that a command prints, if there is one. */
async function tryDatabase(given: string, settings: NewSettings): Promise<void> {
  const command = settings.get(PASSWORD_COMMAND);
  const { DATABASE_URL: url = given } = readConfig({ DATABASE_URL: given, [PASSWORD_COMMAND]: command });
  try {
    await askOnce(url, () => Promise.resolve());
  } catch (error) {
    throw connectionProblem(error);
  }
}

/** Runs `work` on the chosen database, migrated or not; the embedded one is started, and migrates itself. */
export async function withChosen<T>(
  settings: NewSettings,
  signal: AbortSignal,
  work: (chosen: Chosen) => Promise<T>,
): Promise<T> {
  const given = readConfig(settings.environment, console.error);
  const { DATABASE_URL } = given;
  const opened =
    DATABASE_URL === undefined
      ? await openDatabase(given, { signal })
      : { config: { ...given, DATABASE_URL }, close: () => Promise.resolve() };
  const db = openPool("command", opened.config);
  try {
    return await work({
      db,
      config: opened.config,
      isEmbedded: DATABASE_URL === undefined,
      provider: () =>
        describeProvider(opened.config, { backend: null, model: null, dimensions: null, settings: {} }),
    });
  } finally {
    await db.destroy();
    await opened.close();
  }
}

export async function migrateChosen({ config, isEmbedded }: Chosen): Promise<void> {
  if (isEmbedded) return;
  const dimensions = await dimensionsOf(config);
  await migrate({
    databaseUrl: directUrl(config),
    dimensions,
    onMessage: (message) => {
      console.error(message);
    },
  });
}
