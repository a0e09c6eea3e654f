import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { watchedTexts } from "../sources/source-sql.ts";
import type { Asked } from "./asked.ts";
import { searchedVectors } from "./searched-rows.ts";
import type { Searched } from "./searched.ts";

/** Why a search found no row, in one sentence. @param best the score of the best row, where `minScore` left it out */
export async function whyNothing(
  db: Database,
  searched: Searched,
  { condition, like, isHybrid }: Asked,
  best: number | undefined,
): Promise<string> {
  const { keyed } = searched;
  if (best !== undefined) return `No row has the wanted score; the best has ${best.toFixed(3)}.`;
  const vectors = searchedVectors(searched, searched.always);
  const { rows } = await sql<{ embedded: boolean; passing: boolean; searchable: boolean }>`
    select exists (select from ${vectors} v where v.vector is not null) as embedded,
      exists (select from ${watchedTexts(keyed, condition?.(keyed))} t) as passing,
      exists (select from ${searchedVectors(searched, condition)} v where v.vector is not null) as searchable`.execute(
    db,
  );
  const [state] = rows;
  if (state?.embedded !== true) return `${keyed.name} has no embedded rows yet.`;
  if (!state.passing) return "No row passes the conditions.";
  if (!state.searchable) return "The rows that pass the conditions are not embedded yet.";
  if (like !== undefined) return "No other row has a vector and passes the conditions.";
  return isHybrid ? "No row has any of the words." : "The rows' vectors have no direction to compare.";
}
