import type { Events } from "../events.ts";
import { beingUninstalled } from "../migrate/uninstalling.ts";

/** Aborted when the listener of these events finds that its database is being uninstalled, with what is to be said then. */
export function uninstalledSignal(events: Events): AbortSignal {
  const uninstalled = new AbortController();
  events.once("uninstalled", () => {
    uninstalled.abort(beingUninstalled());
  });
  return uninstalled.signal;
}
