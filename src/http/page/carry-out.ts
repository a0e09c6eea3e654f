import { retryFailed } from "../../queue/retry.ts";
import { setPaused } from "../../sources/set-paused.ts";
import { sourceAddress } from "./forms.ts";
import type { PageContext } from "./page-data.ts";

/**
 * Pauses, resumes or retries as a form says. An absent field means all: every source, every key, every reason.
 * @returns the address of the page that says what was done
 */
export async function carryOut(
  { db, log }: Pick<PageContext, "db" | "log">,
  path: string,
  form: URLSearchParams,
): Promise<string> {
  const source = form.get("source") ?? undefined;
  const back = (done: string): string =>
    form.get("from") === "source" && source !== undefined ? `${sourceAddress(source)}&${done}` : `/?${done}`;
  if (path === "/retry") {
    const key = form.get("key");
    const reason = form.get("reason") ?? undefined;
    const rows = await retryFailed(db, { source, keys: key === null ? undefined : [key], reason });
    log.info({ source, rows }, "retried from the page");
    return back(`retried=${String(rows)}`);
  }
  const paused = path === "/pause";
  const found = await setPaused(db, source ?? "", paused);
  if (found) log.info({ source }, paused ? "paused from the page" : "resumed from the page");
  return found ? back(paused ? "paused" : "resumed") : "/?unknown";
}

/** The notice for a query string that `carryOut` wrote. Text from the address is never shown. */
export function noticeOf(parameters: URLSearchParams): string | undefined {
  const rows = Number(parameters.get("retried"));
  if (parameters.has("retried") && Number.isInteger(rows)) {
    return rows === 1 ? "One row is waiting again." : `${String(rows)} rows are waiting again.`;
  }
  if (parameters.has("paused")) return "Paused. Changes are still queued, and nothing is lost.";
  if (parameters.has("resumed")) return "Resumed.";
  if (parameters.has("unknown")) return "That source is no longer there.";
  return undefined;
}
