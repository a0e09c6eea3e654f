import { sql } from "kysely";
import type { Database } from "../../src/database/connect.ts";
import { VectorArray } from "../../src/database/vector-array.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { SearchRequest } from "../../src/search/asked.ts";
import type { Hit, Question } from "../../src/search/search-options.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { oracleVector } from "./oracle-vector.ts";

/** A provider of questions alone, that answers with oracle vectors. */
export function questionProvider(dimensions: number): Provider {
  return {
    backend: "llm_api",
    model: "oracle",
    dimensions,
    limits: { inputs: 1, characters: 10_000, textCharacters: 10_000 },
    fingerprint: "test/oracle",
    earlierName: undefined,
    queryFingerprint: `test/oracle@${dimensions}#query`,
    embed: (texts) => {
      const vectors = new VectorArray(texts.length, dimensions);
      for (const [i, text] of texts.entries()) vectors.setFloats(i, oracleVector(text, dimensions));
      return Promise.resolve({ vectors, tokens: 1, areTokensEstimated: false, milliseconds: 0 });
    },
    ready: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

export type TestRequest = Omit<SearchRequest, "condition" | "where"> & { readonly where?: string };

/** Rows that a search finds whose questions have oracle vectors. @param where SQL */
export async function find(
  db: Database,
  source: string,
  question: Question,
  { where, ...request }: TestRequest = {},
  dimensions = 8,
): Promise<readonly Hit<Record<string, unknown>>[]> {
  const searcher = new Searcher({
    db,
    providerOf: () => Promise.resolve(questionProvider(dimensions)),
    timeoutMs: 10_000,
  });
  const condition = where === undefined ? undefined : () => sql`(${sql.raw(where)})`;
  return (await searcher.search(source, question, { hybrid: false, ...request, condition })).hits;
}
