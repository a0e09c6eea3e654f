import { UsageError } from "../errors.ts";
import { checkNames } from "./check-names.ts";

/** @throws {UsageError} of a caller without types, or whose settings name no database */
export function checkConnection(connection: unknown): void {
  checkNames("The argument of createSearch", connection, ["config", "pool", "db"]);
  const { config, ...own } = connection as { readonly [name: string]: unknown };
  if (typeof config !== "object" || config === null)
    throw new UsageError("createSearch was given no config.", "Give it what readConfig() returns.");
  if ("pool" in own && !has(own["pool"], "connect"))
    throw new UsageError(
      "pool is no pool of pg.",
      "Give a pg.Pool; for an address, DATABASE_URL of the config.",
    );
  if ("db" in own && !has(own["db"], "withoutPlugins"))
    throw new UsageError("db is no Kysely instance.", "Give one; for a pool of pg, there is pool.");
  const { DATABASE_URL: url } = config as { readonly DATABASE_URL?: unknown };
  if (Object.keys(own).length === 0 && typeof url !== "string")
    throw new UsageError("The config has no DATABASE_URL.", "Set it, or give a pool or a Kysely instance.");
}

function has(value: unknown, method: string): boolean {
  const of: unknown = typeof value === "object" && value !== null ? Reflect.get(value, method) : undefined;
  return typeof of === "function";
}
