import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";

/** What a database of version 0.1 needs. */
export function firstVersion(): SetupError {
  return new SetupError(
    "This database is of pg-autoembed 0.1, which had its tables in public; this version has them in a schema autoembed.",
    `Stop every listener of 0.1, then run: ${invocation("migrate", "--from-0.1")} (it takes over what is watched, pending and cached: nothing is embedded again)`,
  );
}
