/** A function of the schema `autoembed`, as Postgres keeps it. */
export interface InstalledFunction {
  readonly name: string;
  readonly body: string;
  readonly is_definer: boolean;
  /** Such as `search_path=pg_catalog, pg_temp`. */
  readonly settings: readonly string[];
}

/** Reads `InstalledFunction`s, of which some may be those of a source's triggers. */
export const INSTALLED_FUNCTIONS = `
  select p.proname::text as name, p.prosrc as body, p.prosecdef as is_definer,
    coalesce(p.proconfig, '{}') as settings
  from pg_catalog.pg_proc p where p.pronamespace = pg_catalog.to_regnamespace('autoembed')`;

/**
 * The functions that were dropped, or replaced by hand: what was recorded of them says nothing of that.
 * @param files of migrations/functions
 * @returns their names, sorted
 */
export function changedFunctions(
  files: readonly string[],
  installed: readonly InstalledFunction[],
): readonly string[] {
  const known = new Set(installed.map(({ name, ...made }) => name + describe(made)));
  const wanted = files.map(readFunction);
  const changed = wanted.filter(({ name, ...made }) => !known.has(name + describe(made)));
  return [...new Set(changed.map(({ name }) => name))].sort();
}

function describe({ body, is_definer: isDefiner, settings }: Omit<InstalledFunction, "name">): string {
  // Postgres spells the names of settings in its own way, which differs by version.
  const spelled = settings.map((setting) => setting.replace(/^[^=]*/, (name) => name.toLowerCase()));
  return JSON.stringify([body, isDefiner, spelled.sort()]);
}

/** The first line to the body, and the body. */
const FUNCTION = /^create or replace (?:function|procedure) autoembed\.(\w+)([^]*?)^as \$\$([^]*)\$\$;$/m;

function readFunction(file: string): InstalledFunction {
  const [, name = "", header = "", body = ""] = FUNCTION.exec(file) ?? [];
  const settings = [...header.matchAll(/^set (\w+) = '?(.*?)'?$/gm)];
  return {
    name,
    body,
    is_definer: header.includes("security definer"),
    settings: settings.map(([, setting = "", value = ""]) => `${setting}=${value}`),
  };
}
