import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** What installs all packages that `npm install --omit=optional` has left out. */
export const INSTALL_OPTIONAL = "npm install --include=optional";

/** Whether a package is installed that an application may do without. */
export function isInstalled(name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return false;
    throw error;
  }
}
