import { readConfig } from "../config.ts";
import type { DeclaredSource } from "../declared/declared-source.ts";
import { UsageError } from "../errors.ts";
import { BACKEND_IDS, backendOf, DEFAULT_BACKEND } from "../providers/known-backends.ts";
import type { describeProvider } from "../providers/describe-provider.ts";
import type { NewSettings } from "../setup/new-settings.ts";
import { ask, confirm } from "./ask.ts";
import type { InitValues } from "./init-options.ts";
import { choose, type Person } from "./init-questions.ts";
import { backendOption } from "./provider-options.ts";

/** Who embeds, its model and its key. A key is typed, or is in the environment; it is no option, which others could read. */
export async function chooseProvider(
  settings: NewSettings,
  values: InitValues,
  person: Person,
): Promise<void> {
  const agrees = agreesTo(person);
  const before = settings.get("EMBEDDING_BACKEND");
  const id = backendOption(values.backend ?? before) ?? (await askForBackend(person));
  if (values.backend !== undefined || before === undefined)
    await settings.choose("EMBEDDING_BACKEND", id, agrees);
  const { environment, secrets } = backendOf(id);
  const names = Object.keys(environment);
  const modelName = modelSettingOf(id);
  if (values.model !== undefined) {
    if (modelName === undefined) throw new UsageError(`${id} has one model.`, "Leave out --model.");
    await settings.choose(modelName, values.model, agrees);
  }
  const [keyName] = secrets;
  if (keyName === undefined || !person.isThere) return;
  const places = names.filter((name) => name.startsWith(keyName));
  if (places.some((name) => settings.get(name) !== undefined)) return;
  const key = await ask(`${keyName} (typed hidden; empty: none): `, { hidden: true, signal: person.signal });
  if (key !== "") await settings.choose(keyName, key, agrees);
}

async function askForBackend(person: Person) {
  if (!person.isThere) return DEFAULT_BACKEND;
  console.log("Who makes the vectors?");
  const byDefault = readConfig({});
  return await choose(
    person,
    "Which one? ",
    BACKEND_IDS.map((id) => {
      const name = modelSettingOf(id);
      const model = Object.entries(byDefault).find(([setting]) => setting === name)?.[1];
      return [id, typeof model === "string" ? `such as ${model}` : "", id] as const;
    }),
  );
}

function modelSettingOf(id: string): string | undefined {
  return Object.keys(backendOf(id).environment).find((name) => name.endsWith("_EMBED_MODEL"));
}

/** Whether a value of `.env` may be replaced; without a person it may not. */
export function agreesTo({ isThere, signal }: Person): (name: string) => Promise<boolean> {
  return async (name) => isThere && (await confirm(`Replace ${name} in .env?`, signal));
}

/** Where the texts of a source will go, in words. */
export function describeDestination(
  { name, model, address }: Awaited<ReturnType<typeof describeProvider>>,
  { table }: DeclaredSource,
): string {
  const where =
    address === undefined
      ? "on this machine: no text leaves it"
      : `at ${new URL(address).origin}, which gets every text`;
  return `The texts of ${table} are embedded by ${model} of ${name}, ${where}.`;
}
