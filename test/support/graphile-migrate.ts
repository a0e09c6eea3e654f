import { Logger, migrate } from "graphile-migrate";

/** Runs graphile-migrate itself, as an application does that deploys with it. */
export async function graphileMigrate(
  databaseUrl: string,
  migrationsFolder: string,
  placeholders: Record<string, string> = {},
): Promise<void> {
  await migrate({
    connectionString: databaseUrl,
    // It insists on another one than the database's own, and never opens it here.
    rootConnectionString: `${databaseUrl}?application_name=other`,
    migrationsFolder,
    placeholders,
    logger: new Logger(() => () => undefined),
  });
}
