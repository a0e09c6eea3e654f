import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";

/** Under this name `autoembed.migration` says that an uninstall was begun, until the schema is dropped. */
export const UNINSTALL = "uninstall";

/**
 * What a listener stops with, and what every other command says, while an uninstall is under way. As a usage error: a
 * supervisor that does not restart after exit code 2 does not restart it in vain.
 */
export function beingUninstalled(): UsageError {
  return new UsageError(
    "pg-autoembed is being uninstalled from this database, so nothing is embedded any more.",
    `To complete it: ${invocation("uninstall")}. After that, ${invocation("migrate")} installs it again.`,
  );
}
