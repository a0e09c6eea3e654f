import { z } from "zod";
import type { Backend } from "./backend.ts";
import type { CommonSettings, NetworkSettings } from "./provider-settings.ts";

/** Where the settings of a provider come from: the environment, and what one source has of its own. */
export interface Given<Environment extends z.ZodRawShape, OfSource extends z.ZodRawShape> {
  /** The whole configuration, of which a backend sees what it declared. */
  readonly environment: Readonly<z.infer<z.ZodObject<Environment>>>;
  /** `embedding_source.settings`. */
  readonly source: Readonly<z.infer<z.ZodObject<OfSource>>>;
  /** `embedding_source.model`; null follows the environment. */
  readonly model: string | null;
  readonly common: CommonSettings;
  readonly network: NetworkSettings;
}

/**
 * All that the rest of the program needs to know of one kind of provider: a file in `backends/` that exports one, and an
 * entry in `backends/list.ts`, add a provider.
 */
export interface BackendDefinition<
  Id extends string,
  Environment extends z.ZodRawShape,
  OfSource extends z.ZodRawShape,
  Settings extends CommonSettings & { readonly backend: Id },
  Alias extends string = string,
> {
  /** What `EMBEDDING_BACKEND`, `--backend` and `embedding_source.backend` call it. */
  readonly id: Id;
  /** Another name that `EMBEDDING_BACKEND` and `--backend` accept for it. What is stored is the id. */
  readonly alias?: Alias;
  /** The settings of the environment that it alone reads, in the order of `.env.example`. */
  readonly environment: Environment;
  /** Names of those whose value is never repeated. One may come from a file: `NAME_FILE`, where that is a setting too. */
  readonly secrets: readonly (keyof Environment & string)[];
  /** What `embedding_source.settings` may set for it, in addition to the rate and the batch, which it may set for all. */
  readonly ofSource: OfSource;
  /** The length of its vectors, where it does not depend on the settings. */
  readonly dimensions?: number;
  /** It runs on machines of your own, and costs nothing by the token. */
  readonly isOwnMachine?: true;
  /** The part of the words in the score of a hybrid search, from 0 to 1, where it was measured. */
  readonly wordsWeight?: number;
  /** @throws {SetupError} where something that it cannot do without is missing */
  resolve(given: Given<Environment, OfSource>): Settings;
  open(settings: Settings): Backend;
}

/** Checks the types of a definition, which are inferred from it. */
export function defineBackend<
  const Id extends string,
  Environment extends z.ZodRawShape,
  OfSource extends z.ZodRawShape,
  Settings extends CommonSettings & { readonly backend: Id },
  const Alias extends string = never,
>(
  definition: BackendDefinition<Id, Environment, OfSource, Settings, Alias>,
): BackendDefinition<Id, Environment, OfSource, Settings, Alias> {
  return definition;
}

/** Where a source's own provider is, in place of the environment's base URL. */
export const ownBaseUrl = { base_url: z.url({ protocol: /^https?$/ }).optional() };
