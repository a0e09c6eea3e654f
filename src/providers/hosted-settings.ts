import type { z } from "zod";
import type { Given } from "./backend-definition.ts";
import type { HostedSettings } from "./hosted-backend.ts";
import { keyOf, namesFor, type ownServer } from "./own-key.ts";

/** What the environment says of a hosted service. */
interface HostedEnvironment {
  readonly baseUrl: string;
  readonly model: string;
  readonly key: { readonly name: string; readonly value: string | undefined };
}

/** The settings of a hosted service: the environment's, with the address, the key and the model of a source in their place. */
export function hostedSettings(
  { environment: config, source, model, common, network }: Given<z.ZodRawShape, typeof ownServer>,
  environment: HostedEnvironment,
): HostedSettings {
  return {
    ...common,
    ...network,
    model: model ?? environment.model,
    baseUrl: source.base_url ?? environment.baseUrl,
    ...keyOf(source, environment.baseUrl, environment.key, config),
    ...namesFor(source, environment.baseUrl, model),
  };
}
