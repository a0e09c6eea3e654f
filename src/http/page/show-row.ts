import { loadSources } from "../../sources/load-sources.ts";
import { readRow } from "../../status/read-row.ts";
import type { PageContext } from "./page-data.ts";
import { renderRow } from "./row-page.ts";

/** The page of the row that a form names. Key and text are in bodies alone: an address could be in a log. */
export async function showRow({ db, guard }: PageContext, form: URLSearchParams): Promise<string> {
  const name = form.get("source") ?? "";
  const key = (form.get("key") ?? "").trim();
  const withText = form.has("text");
  const { usable, chunked } = await loadSources(db);
  const source = [...chunked, ...usable].find((source) => source.name === name);
  const row = source === undefined ? undefined : await readRow(db, source, key, withText);
  return renderRow({ source: name, key: row?.key ?? key, row, withText, formToken: guard.formToken });
}
