import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

interface InstalledCopy {
  readonly folder: string;
  readonly remove: () => Promise<void>;
}

/**
 * The built package in a folder of its own, with its dependencies and no optional one, as `npm install --omit=optional`
 * leaves it.
 * @param packages folders of further packages, by name
 */
export async function installCopy(packages: Readonly<Record<string, string>> = {}): Promise<InstalledCopy> {
  const folder = await mkdtemp(join(tmpdir(), "autoembed-copy-"));
  for (const part of ["dist", "migrations", "package.json"])
    await cp(join(PROJECT, part), join(folder, part), { recursive: true });
  const { dependencies } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8")) as {
    dependencies: Readonly<Record<string, string>>;
  };
  const names = Object.keys(dependencies);
  const own = Object.fromEntries(names.map((name) => [name, join(PROJECT, "node_modules", name)]));
  for (const [name, target] of Object.entries({ ...own, ...packages })) {
    const link = join(folder, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(target, link);
  }
  return { folder, remove: () => rm(folder, { recursive: true }) };
}
