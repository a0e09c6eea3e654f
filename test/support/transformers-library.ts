import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installCopy } from "./installed-copy.ts";

const LIBRARY = "@huggingface/transformers";
const VERSION = "4.3.2";
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/pg-autoembed-tests", import.meta.url));

interface CopyWithTransformers {
  readonly folder: string;
  readonly providers: typeof import("../../src/providers/provider-stack.ts");
  readonly bisection: typeof import("../../src/providers/isolate/bisect.ts");
  readonly remove: () => Promise<void>;
}

/** The built package with the library next to it, and modules of it. @returns undefined where it cannot be installed */
export async function installWithTransformers(): Promise<CopyWithTransformers | undefined> {
  const packages = await installTransformers();
  if (packages === undefined) return undefined;
  const { folder, remove } = await installCopy(packages);
  const load = async (module: string): Promise<unknown> =>
    await import(join(folder, "dist/providers", module));
  return {
    folder,
    providers: (await load("provider-stack.js")) as CopyWithTransformers["providers"],
    bisection: (await load("isolate/bisect.js")) as CopyWithTransformers["bisection"],
    remove,
  };
}

/** For the title of a suite that is skipped. */
export const WITHOUT_TRANSFORMERS = [
  "@huggingface/transformers cannot be installed",
  "make the registry reachable",
] as const;

/**
 * `@huggingface/transformers` with what it needs, as packages to be linked: installed once, and kept next to the project's
 * packages. It is no devDependency, since its 475 MB would double the time of every `npm ci`.
 * @returns undefined where the registry cannot be reached
 */
async function installTransformers(): Promise<Readonly<Record<string, string>> | undefined> {
  const folder = join(CACHE, `transformers-${VERSION}`);
  const library = join(folder, "node_modules", LIBRARY);
  const isThere = await stat(library).then(
    () => true,
    () => false,
  );
  if (!isThere && !(await install(folder))) return undefined;
  return { [LIBRARY]: library };
}

/** Test files run in several processes: each installs for itself, and the first of them is kept. */
async function install(folder: string): Promise<boolean> {
  await mkdir(CACHE, { recursive: true });
  const own = await mkdtemp(`${folder}-`);
  try {
    await writeFile(join(own, "package.json"), '{ "private": true }');
    // Without its scripts: those of onnxruntime-node and sharp would download more, from elsewhere.
    const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${LIBRARY}@${VERSION}`];
    await promisify(execFile)("npm", args, { cwd: own });
    await rename(own, folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    });
    return true;
  } catch {
    return false;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
