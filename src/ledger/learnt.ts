import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** What the answers of the last days have shown of one source and model; zeros where there were none. */
export interface Learnt {
  /** Characters of the texts in answers that reported their tokens. */
  readonly characters: number;
  readonly tokens: number;
  /** Texts in full requests. */
  readonly texts: number;
  /** How long those requests took, added up. */
  readonly milliseconds: number;
}

/** English text has about four. Assumed until the provider has reported its tokens. */
export const CHARACTERS_PER_TOKEN = 4;

export function charactersPerToken({ characters, tokens }: Learnt): number {
  return tokens > 0 ? characters / tokens : CHARACTERS_PER_TOKEN;
}

/** So many of the last days on which the model answered: texts and servers change. */
const DAYS = 30;

/** @param model the usage's name of it */
export async function readLearnt(db: Database, sourceId: number, model: string): Promise<Learnt> {
  const { rows } = await sql<Learnt>`
    select coalesce(sum(characters), 0)::float8 as characters, coalesce(sum(counted_tokens), 0)::float8 as tokens,
      coalesce(sum(timed_texts), 0)::float8 as texts, coalesce(sum(request_ms), 0)::float8 as milliseconds
    from (
      select * from autoembed.embedding_usage where source_id = ${sourceId} and model = ${model}
      order by day desc limit ${DAYS}
    ) u`.execute(db);
  const [learnt] = rows;
  if (learnt === undefined) throw new Error("the server returned no sum");
  return learnt;
}
