import { BACKEND_IDS, backendIdOf, type BackendId } from "../providers/known-backends.ts";
import type { SourceSettings } from "../providers/source-settings.ts";
import { oneOf } from "./command.ts";

/** The backend that `--backend` names, under any of its names. @throws {UsageError} */
export function backendOption(value: string | undefined): BackendId | undefined {
  return oneOf("--backend", value === undefined ? undefined : (backendIdOf(value) ?? value), BACKEND_IDS);
}

/** What `--base-url` and `--api-key-env` set for one source. */
export function providerSettings(
  values: Readonly<Partial<Record<"base-url" | "api-key-env", string>>>,
): SourceSettings {
  return {
    ...(values["base-url"] === undefined ? {} : { base_url: values["base-url"] }),
    ...(values["api-key-env"] === undefined ? {} : { api_key_env: values["api-key-env"] }),
  };
}
