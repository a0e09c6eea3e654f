import type { Database } from "../../database/connect.ts";
import { retryFailed } from "../../queue/retry.ts";
import { setPaused } from "../../sources/set-paused.ts";
import { chosenRows, sourceAddress } from "./forms.ts";
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
    const rows = form.has("choose") ? await retryChosen(db, form) : await retryAll(db, form);
    log.info({ source, rows }, "retried from the page");
    return back(`retried=${String(rows)}`);
  }
  const paused = path === "/pause";
  const found = await setPaused(db, source ?? "", paused);
  if (found) log.info({ source }, paused ? "paused from the page" : "resumed from the page");
  return found ? back(paused ? "paused" : "resumed") : "/?unknown";
}

/** All rows of a source or a reason, or one row. */
async function retryAll(db: Database, form: URLSearchParams): Promise<number> {
  const [key, reason, source] = ["key", "reason", "source"].map((name) => form.get(name) ?? undefined);
  return await retryFailed(db, { source, keys: key === undefined ? undefined : [key], reason });
}

/** The rows that are ticked, and no others: where none is, none. */
async function retryChosen(db: Database, form: URLSearchParams): Promise<number> {
  let rows = 0;
  for (const { source, key } of chosenRows(form)) rows += await retryFailed(db, { source, keys: [key] });
  return rows;
}

/** The notice for a query string that `carryOut` wrote. Text from the address is never shown. */
export function noticeOf(parameters: URLSearchParams): string | undefined {
  const rows = Number(parameters.get("retried"));
  if (parameters.has("retried") && Number.isInteger(rows)) {
    if (rows === 0) return "No row was retried: none was ticked, or it is not failed any more.";
    return rows === 1 ? "One row is waiting again." : `${String(rows)} rows are waiting again.`;
  }
  if (parameters.has("paused")) return "Paused. Changes are still queued, and nothing is lost.";
  if (parameters.has("resumed")) return "Resumed.";
  if (parameters.has("unknown")) return "That source is no longer there.";
  return undefined;
}
