import { writeFile } from "node:fs/promises";
import { applyPlan } from "../declared/apply-plan.ts";
import { CONFIG_FILES, presentConfigFiles } from "../declared/config-file.ts";
import { configText } from "../declared/config-text.ts";
import type { DeclaredSource } from "../declared/declared-source.ts";
import { makePlan } from "../declared/make-plan.ts";
import { sqlName } from "../database/identifier.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { showProgress } from "../backfill/progress.ts";
import { readEnvFile, writeEnvFile } from "../setup/env-file.ts";
import { NewSettings } from "../setup/new-settings.ts";
import { confirm, isInteractive } from "./ask.ts";
import { parseCommand, type Command } from "./command.ts";
import { describePlan } from "./describe-plan.ts";
import { chooseDatabase, migrateChosen, withChosen, type Chosen } from "./init-database.ts";
import { INIT_OPTIONS, type InitValues } from "./init-options.ts";
import { chooseProvider, describeDestination } from "./init-provider.ts";
import { nameOf, tableOf, textOf, type Person } from "./init-questions.ts";
import { abortedBySignal } from "./stop-signal.ts";

const [CONFIG_FILE] = CONFIG_FILES;

export const init: Command = {
  usage: invocation(
    "init",
    "[--database-url URL] [--backend NAME] [--model MODEL] [--table TABLE] [--text COLUMN|EXPRESSION] [--key COLUMN]... [--yes]",
  ),
  summary:
    "set up your own table: asks for what is not given, writes .env and autoembed.config.ts, migrates and watches; embeds nothing",
  options: INIT_OPTIONS,
  examples: [
    [invocation("init"), "asks: your database, who embeds, your table and its text"],
    [
      invocation("init", "--table public.articles --text body --yes"),
      "asks nothing; database and provider from the environment or .env",
    ],
  ],
  async run(args) {
    const { values } = parseCommand(init, args, { options: INIT_OPTIONS });
    refuseExisting();
    const settings = new NewSettings(await readEnvFile(), process.env);
    const person = { isThere: !values.yes && isInteractive(), signal: abortedBySignal() };
    await chooseDatabase(settings, values, person);
    await chooseProvider(settings, values, person);
    return await withChosen(settings, person.signal, async (chosen) => {
      const source = await askForSource(chosen, values, person);
      console.log(describeDestination(await chosen.provider(), source));
      if (person.isThere && !(await confirm(`Write .env and ${CONFIG_FILE}, and watch it?`, person.signal))) {
        console.log("Nothing was written.");
        return 1;
      }
      await migrateChosen(chosen);
      return await setUp(chosen, settings, source, person);
    });
  },
};

function refuseExisting(): void {
  const [present] = presentConfigFiles();
  if (present === undefined) return;
  throw new UsageError(
    `${present} is here already.`,
    `Add the source to it, then: ${invocation("diff")} and ${invocation("apply")}`,
  );
}

async function askForSource({ db }: Chosen, values: InitValues, person: Person): Promise<DeclaredSource> {
  const table = await tableOf(db, values, person);
  console.log(`${nameOf(table)}, its columns of text (lengths in characters; no text is shown):`);
  const text = await textOf(db, table, values, person);
  const key =
    values.key?.flatMap((columns) => columns.split(",")) ?? (table.has_primary_key ? undefined : table.key);
  return { table: sqlName(table), ...text, key: key ?? undefined };
}

/** Everything is checked before a file is written, and both are there before anything is watched: `apply` continues. */
async function setUp(
  { db, config }: Chosen,
  settings: NewSettings,
  source: DeclaredSource,
  { signal }: Person,
): Promise<number> {
  const file = { file: CONFIG_FILE, sources: [source] };
  const plan = await makePlan(db, config, file, { prune: false, counts: true, signal });
  if (plan.problems.length === 0) {
    if (Object.keys(settings.chosen).length > 0) await writeEnvFile(settings.chosen);
    await writeFile(CONFIG_FILE, configText([source]), { flag: "wx" });
  }
  await applyPlan(db, config, plan, {
    backfill: false,
    progress: () => showProgress("none"),
    onStep: (line) => {
      console.log(line);
    },
    onProblem: (problem) => {
      console.error(problem);
    },
    signal,
  });
  const after = await makePlan(db, config, file, { prune: false, counts: true, signal });
  console.log(describePlan({ ...after, not_declared: [] }, true));
  console.log(
    [
      `Written: ${[...(Object.keys(settings.chosen).length > 0 ? [".env"] : []), CONFIG_FILE].join(" and ")}`,
      `Next, to embed the rows that are there: ${invocation("backfill")}`,
      `Then, for every change from now on: ${invocation("start")}`,
    ].join("\n"),
  );
  return 0;
}
