import { UsageError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { readMigrationFiles } from "./migration-files.ts";
import { migrationSteps } from "./steps.ts";

/**
 * The SQL that `migrate` runs on a database with nothing of ours in it, for a deploy by another tool.
 * @param after the last file of tables in `autoembed.migration`, that the database has already: what follows it is printed.
 * @throws {UsageError} if this version has no such file: what the database lacks would not be known
 */
export async function printMigrations(dimensions: number, after?: string): Promise<string> {
  const files = await readMigrationFiles();
  const names = files.committed.map(({ filename }) => filename);
  if (after !== undefined && !names.includes(after)) throw unknownFile(after, names);
  const isApplied = (filename: string): boolean =>
    after !== undefined && filename.replace("once/", "").slice(0, 6) <= after.slice(0, 6);
  const applied = new Map(
    [...files.committed, ...files.once]
      .filter(({ filename }) => isApplied(filename))
      .map(({ filename, hash }) => [filename, { hash, version: VERSION }]),
  );
  const steps = migrationSteps(files, applied, { dimensions });
  const triggers = `-- triggers of sources that an earlier version made

do $$ begin
  perform autoembed.update_triggers(s) from autoembed.embedding_source s join pg_class c on c.oid = s.watched_table;
end $$;
`;
  return `-- pg-autoembed ${VERSION}, vectors of ${dimensions} dimensions. Run it in one transaction, such as:
-- psql --single-transaction --set ON_ERROR_STOP=1 --file FILE

${steps.map(({ title, sql }) => `-- ${title}\n\n${sql}`).join("\n")}
${triggers}`;
}

function unknownFile(after: string, names: readonly string[]): UsageError {
  return new UsageError(
    `${JSON.stringify(after)} is no file of tables of version ${VERSION}.`,
    `Name the last one that the database has: select max(filename) from autoembed.migration where filename like '0%'. This version's are ${names[0] ?? ""} to ${names.at(-1) ?? ""}.`,
  );
}
