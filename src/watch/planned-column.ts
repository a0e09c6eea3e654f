import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { quote, quoted, type TableName } from "../database/identifier.ts";
import { MOST_DIMENSIONS } from "../database/pgvector.ts";
import { SetupError, UsageError } from "../errors.ts";
import { invocation, shellWord } from "../invocation.ts";
import { WrongDimensions } from "../providers/answer.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { dimensionsOf, withProvider } from "../providers/with-provider.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { vectorTypeFor, type VectorColumn, type VectorType } from "./vector-column.ts";

/** What `WatchOptions` say of the column and of who fills it. */
interface ColumnOptions {
  readonly vector?: string | undefined;
  readonly type?: VectorType | undefined;
  readonly name?: string | undefined;
  readonly backend?: string | undefined;
  readonly model?: string | undefined;
  readonly dimensions?: number | undefined;
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The column that is to be added.
 * @throws {SetupError} if the model does not make vectors of the length that was asked for, or no column takes it
 */
export async function plannedColumn(config: Config, options: ColumnOptions): Promise<VectorColumn> {
  const overrides = {
    backend: options.backend ?? null,
    model: options.model ?? null,
    dimensions: options.dimensions ?? null,
    settings: options.settings ?? {},
  };
  if (options.dimensions !== undefined) {
    refuseTooLong(options.dimensions);
    await refuseOtherLength(config, overrides, options.dimensions);
  }
  const dimensions = await dimensionsOf(config, overrides);
  refuseTooLong(dimensions);
  return { name: options.vector ?? "embedding", type: options.type ?? vectorTypeFor(dimensions), dimensions };
}

function refuseTooLong(dimensions: number): void {
  if (dimensions <= MOST_DIMENSIONS) return;
  throw new UsageError(
    `A vector has at most ${MOST_DIMENSIONS} dimensions in pgvector, not ${dimensions}.`,
    "Give --dim a smaller number, or choose another model.",
  );
}

/** Asks the provider for one vector, without a text of the user's. One that does not answer now is asked later. */
async function refuseOtherLength(
  config: Config,
  overrides: ProviderOverrides,
  dimensions: number,
): Promise<void> {
  try {
    await withProvider(config, overrides, {}, () => undefined);
  } catch (error) {
    if (!(error instanceof ProviderError || error instanceof SetupError)) throw error;
    if (!(error instanceof WrongDimensions)) return;
    throw new SetupError(
      `The model makes vectors of ${error.given} dimensions, not ${dimensions}.`,
      `Leave out --dim, or give --dim ${error.given}. For other lengths choose another --model.`,
      { cause: error },
    );
  }
}

/** @throws {SetupError} if the existing column is not as asked for; the error says how it can be changed. */
export async function refuseAnother(
  db: Database,
  column: VectorColumn,
  table: TableName,
  { type, dimensions, name }: ColumnOptions,
): Promise<void> {
  const differs = (asked: unknown, is: unknown): boolean =>
    asked !== undefined && is !== null && asked !== is;
  if (!differs(type, column.type) && !differs(dimensions, column.dimensions)) return;
  const length = dimensions ?? column.dimensions;
  const wanted = `${type ?? column.type}${length === null ? "" : `(${length})`}`;
  const remedy = (await isEmpty(db, column, table))
    ? `It holds no vector, so it can be changed; then watch again: alter table ${quoted(table)} alter column ${quote(column.name)} type ${wanted};`
    : `Leave out --type and --dim, or name another column with --vector. To change the model: ${invocation("remodel", `${name === undefined ? "NAME" : shellWord(name)} --dim N`)}`;
  throw new SetupError(
    `Column ${column.name} of ${table.schema}.${table.table} already exists, as ${column.type}(${String(column.dimensions)}).`,
    remedy,
  );
}

async function isEmpty(db: Database, column: VectorColumn, { schema, table }: TableName): Promise<boolean> {
  const { rows } = await sql`
    select from ${sql.id(schema, table)} where ${sql.id(column.name)} is not null limit 1`.execute(db);
  return rows.length === 0;
}
