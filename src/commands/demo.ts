import { sql } from "kysely";
import type { ApplicationConfig } from "../application.ts";
import { readConfig } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { DEMO_PATIENTS, insertPatients, IS_DEMO_PATIENT, removePatients } from "../demo/demo-patients.ts";
import { invocation } from "../invocation.ts";
import { createListener } from "../listener/listener.ts";
import { withProvider } from "../providers/with-provider.ts";
import type { Provider } from "../providers/provider.ts";
import type { Hit } from "../search/search-options.ts";
import { Searcher } from "../search/searcher.ts";
import { chooseSources } from "../sources/choose-sources.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";
import { openDatabase } from "./database-of.ts";
import { abortedBySignal } from "./stop-signal.ts";

const SEARCHES = [
  "diabetes with numb feet",
  "ankle swelling and heart failure",
  "headaches with flashing lights",
] as const;
const SOURCE = "patient_embeddings";
const REQUEST_MS = 60_000;
const condition = () => sql`(${sql.raw(IS_DEMO_PATIENT)})`;
const EDIT = "Severe migraine: flashing lights, one-sided headache and vomiting. Takes sumatriptan.";

const OPTIONS = {
  keep: { type: "boolean", default: false, about: "leaves the patients in the table" },
} as const satisfies Options;

export const demo: Command = {
  usage: invocation("demo", "[--keep]"),
  summary:
    "insert a few hundred made-up patients, search them, change one, and remove them again, unless --keep",
  options: OPTIONS,
  examples: [
    [invocation("demo"), "240 patients, three searches and an edit; they are removed at the end"],
    [invocation("demo", "--keep"), "to try searches of your own afterwards"],
  ],
  async run(args) {
    const { values } = parseCommand(demo, args, { options: OPTIONS });
    const signal = abortedBySignal();
    const database = await openDatabase(readConfig(process.env, console.error), { signal });
    const db = openPool("command", database.config);
    try {
      await show(db, database.config, signal);
    } finally {
      if (!values.keep) await removePatients(db);
      await db.destroy();
      await database.close();
    }
    return 0;
  },
};

async function show(db: Database, config: ApplicationConfig, signal: AbortSignal): Promise<void> {
  const [source] = await chooseSources(db, SOURCE);
  if (source === undefined) return;
  await withProvider(config, source, { signal }, (provider) => showWith(provider, db, config, signal));
}

async function showWith(
  provider: Provider,
  db: Database,
  config: ApplicationConfig,
  signal: AbortSignal,
): Promise<void> {
  const searcher = new Searcher({
    db,
    providerOf: () => Promise.resolve(provider),
    timeoutMs: REQUEST_MS,
  });
  const find: Find = async (question, limit) =>
    (await searcher.search(SOURCE, question, { limit, withText: true, hybrid: false, condition, signal }))
      .hits;
  const listener = createListener(config);
  const whenDrained = () => unlessAborted(signal, listener.whenDrained());
  try {
    await unlessAborted(signal, listener.start());
    const started = performance.now();
    console.log(`Inserting ${DEMO_PATIENTS.length} made-up patients; a trigger queues each one …`);
    await insertPatients(db);
    await whenDrained();
    const seconds = (performance.now() - started) / 1000;
    console.log(`… and all of them are embedded ${seconds.toFixed(1)} s later (${provider.model}).\n`);
    for (const question of SEARCHES) await showSearch(find, question);
    await showEdit(db, find, whenDrained);
  } finally {
    await listener.stop();
  }
}

/** The demo's patients that are nearest to a question. */
type Find = (question: string, limit: number) => Promise<readonly Hit<unknown>[]>;

async function showSearch(find: Find, question: string): Promise<void> {
  console.log(`Search: ${question}`);
  for (const { key, distance, text } of await find(question, 3)) {
    console.log(`  ${distance?.toFixed(3) ?? ""}  patient ${key}: ${text?.slice(0, 100) ?? ""} …`);
  }
  console.log();
}

async function showEdit(db: Database, find: Find, whenDrained: () => Promise<void>): Promise<void> {
  const query = SEARCHES[2];
  const rank = () => find(query, DEMO_PATIENTS.length);
  const ranking = await rank();
  const last = ranking.at(-1);
  if (last === undefined) return;
  console.log(
    `Patient ${last.key} is number ${ranking.length} of ${ranking.length} for "${query}". Now its text changes:`,
  );
  console.log(`  update patient_embeddings set context_text = '${EDIT}' where patient_id = ${last.key};`);
  const started = performance.now();
  await db
    .withSchema("public")
    .updateTable("patient_embeddings")
    .set({ context_text: EDIT })
    .where("patient_id", "=", last.key)
    .execute();
  await whenDrained();
  const milliseconds = Math.round(performance.now() - started);
  const rankAfter = (await rank()).findIndex(({ key }) => key === last.key) + 1;
  console.log(`${milliseconds} ms later it is number ${rankAfter}, and no other code ran.`);
}
