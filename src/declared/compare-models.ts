import type { Config } from "../config.ts";
import { SetupError } from "../errors.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { describeModel, type DescribedModel } from "./described-model.ts";
import { inOrder } from "./in-order.ts";
import type { PresentSource } from "./present-source.ts";
import { differing, remodelOptions, type RemodelOptions } from "./remodel-options.ts";

/**
 * How a declared provider relates to the one that a source has: the same; other settings that make the same vectors (a rate,
 * a key's variable, the environment's model under its name); or other vectors, with the options of `remodel` for them.
 */
export type ModelComparison =
  | { readonly is: "same" }
  | { readonly is: "settings"; readonly from: string; readonly to: string }
  | ({ readonly is: "model"; readonly from: string; readonly to: string } & RemodelOptions);

/** Asks no provider. @throws {SetupError} where a setting is missing that the provider needs */
export async function compareModels(
  config: Config,
  wanted: ProviderOverrides,
  present: PresentSource,
): Promise<ModelComparison> {
  const to = withLength(wanted, present);
  if (rawOf(to) === rawOf(present.overrides)) return { is: "same" };
  const after = await describeModel(config, to);
  const before = await describeModel(config, present.overrides).catch((error: unknown) => {
    throw error instanceof SetupError ? isUnknown(present, error) : error;
  });
  const length = to.dimensions ?? present.columnDimensions;
  if (before.rowModel(present.columnDimensions) === after.rowModel(length)) {
    return { is: "settings", from: inWords(present.overrides), to: inWords(to) };
  }
  return {
    is: "model",
    from: describe(before, after, present.columnDimensions),
    to: describe(after, before, wanted.dimensions),
    ...remodelOptions(before, after, wanted.dimensions),
  };
}

/** Then nobody knows whether the vectors would stay the same. */
function isUnknown({ name }: PresentSource, { message, remedy }: SetupError): SetupError {
  return new SetupError(
    `The provider that ${name} has in the database, and not in the file, is not set up here: ${message}`,
    `${remedy} Or give the source that of the file by \`watch\`; if its vectors are others, a backfill embeds the rows again.`,
  );
}

/** `watch` keeps the column's length with a source that has a model of its own. */
function withLength(wanted: ProviderOverrides, { columnDimensions }: PresentSource): ProviderOverrides {
  const hasOwnModel = wanted.backend !== null || wanted.model !== null;
  return { ...wanted, dimensions: wanted.dimensions ?? (hasOwnModel ? columnDimensions : null) };
}

function rawOf({ backend, model, dimensions, settings }: ProviderOverrides): string {
  return JSON.stringify(inOrder([backend, model, dimensions, settings]));
}

/** With the settings that the other one does not have. */
function describe(model: DescribedModel, other: DescribedModel, dimensions: number | null): string {
  const { base_url: _, ...settings } = differing(model, other);
  const at = model.baseUrl === undefined ? "" : ` at ${new URL(model.baseUrl).origin}`;
  const length = dimensions === null ? [] : [`${dimensions} dimensions`];
  return [`${model.model} of ${model.id}${at}`, ...length, ...named(settings)].join(", ");
}

function inWords({ backend, model, dimensions, settings }: ProviderOverrides): string {
  const own = named({ backend, model, dimensions, ...settings });
  return own.length === 0 ? "the environment's" : own.join(", ");
}

function named(settings: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) =>
    value === null ? [] : [`${name} ${JSON.stringify(value)}`],
  );
}
