import type { z } from "zod";
import { SetupError } from "../errors.ts";
import type { BackendDefinition } from "./backend-definition.ts";
import { BACKENDS } from "./backends/list.ts";

/** What the configuration, the commands and `provider-stack.ts` need of the list of backends. */

type Known = (typeof BACKENDS)[number];

export type BackendId = Known["id"];
/** What a user may call a backend: its id, or another name that it has. */
export type BackendName = BackendId | NonNullable<Known["alias"]>;

/** How to reach a provider and what to ask of it: the environment's settings with a source's own in their place. */
export type ProviderSettings = ReturnType<Known["resolve"]>;

export const BACKEND_IDS: readonly BackendId[] = BACKENDS.map(({ id }) => id);
export const DEFAULT_BACKEND: BackendId = BACKENDS[0].id;

/** The backend that has that id or that alias. */
export function backendIdOf(name: string): BackendId | undefined {
  return BACKENDS.find(({ id, alias }) => id === name || alias === name)?.id;
}

/** Whether the backend of that name costs nothing by the token. */
export function isOwnMachine(name: string): boolean {
  return BACKENDS.some((backend) => backend.id === backendIdOf(name) && backend.isOwnMachine === true);
}

type Merged<Shape> = (Shape extends unknown ? (shape: Shape) => void : never) extends (
  shape: infer All,
) => void
  ? All
  : never;

function merged<Shape extends z.ZodRawShape>(shapes: readonly Shape[]): Merged<Shape> {
  return Object.assign({}, ...shapes) as Merged<Shape>;
}

/** The settings of the environment that backends read, each backend's together. */
export const BACKEND_ENVIRONMENT = merged(BACKENDS.map(({ environment }) => environment));
/** Those of them whose values are never repeated. */
export const BACKEND_SECRETS: readonly string[] = BACKENDS.flatMap(({ secrets }) => secrets);
/** What `embedding_source.settings` may set for any backend, since a source without one of its own follows the environment. */
export const BACKEND_SOURCE_SETTINGS = merged(BACKENDS.map(({ ofSource }) => ofSource));

/** @throws {SetupError} where no backend has that id: a newer version may have written it, or a user. */
export function backendOf(
  id: string,
): BackendDefinition<string, z.ZodRawShape, z.ZodRawShape, ProviderSettings> {
  const known = BACKENDS.find((backend) => backend.id === backendIdOf(id));
  if (known !== undefined) return known;
  throw new SetupError(
    `There is no backend ${JSON.stringify(id)} in this version.`,
    `Watch the table again with one of ${BACKEND_IDS.join(", ")}, or update pg-autoembed.`,
  );
}
