import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** The model of a source as the ledger and the cache name it. */
export interface LedgerModel {
  /** All that decides what its vectors are, without the precision in which they are stored. */
  readonly fingerprint: string;
  /** `embedding_model.id` of the vectors that this source stores; 0 where it has none. */
  readonly id: number;
  /** Models whose vectors may stand in for them: a column of half precision takes full vectors too. */
  readonly lenderIds: readonly number[];
  /** `embedding_cache.model` of vectors that may stand in for them; also the model's name before 0.2, if they were the same. */
  readonly cacheNames: readonly string[];
}

/** What is needed of a provider to name its vectors. */
interface Named {
  readonly fingerprint: string;
  /** Its name before 0.2; undefined where its vectors were others then. */
  readonly earlierName: string | undefined;
}

/** Finds the numbers of a model, and gives it some where it has none. */
export async function registerModel(
  db: Database,
  provider: Named,
  precision: Source["vectorType"],
): Promise<LedgerModel> {
  const names = namesOf(provider, precision);
  await sql`
    insert into autoembed.embedding_model (name)
    select n.name from unnest(${names}::text[]) n(name)
    where not exists (select from autoembed.embedding_model m where m.name = n.name) on conflict (name) do nothing`.execute(
    db,
  );
  return await findModel(db, provider, precision);
}

/** Finds the numbers of a model, and writes nothing. */
export async function findModel(
  db: Database,
  provider: Named,
  precision: Source["vectorType"],
): Promise<LedgerModel> {
  const { fingerprint, earlierName } = provider;
  const names = namesOf(provider, precision);
  const { rows } = await sql<{ id: number; name: string }>`
    select m.id, m.name from autoembed.embedding_model m where m.name = any(${names}::text[])`.execute(db);
  return {
    fingerprint,
    id: rows.find(({ name }) => name === names[0])?.id ?? 0,
    lenderIds: rows.map(({ id }) => id),
    cacheNames: earlierName === undefined ? names : [...names, earlierName],
  };
}

/** Its own name first. */
function namesOf({ fingerprint }: Named, precision: Source["vectorType"]): string[] {
  return precision === "halfvec" ? [`${fingerprint} halfvec`, fingerprint] : [fingerprint];
}

/** Has `status` know which rows of the source are of another model. */
export async function setCurrentModel(db: Database, source: Source, model: LedgerModel): Promise<void> {
  await sql`
    update autoembed.embedding_source set current_model = ${model.id}
    where id = ${source.id} and current_model is distinct from ${model.id}`.execute(db);
}

/** Has `autoembed.search()` find the questions of that fingerprint. */
export async function setQuestionModel(
  db: Database,
  sourceId: number,
  queryFingerprint: string,
): Promise<void> {
  await sql`
    update autoembed.embedding_source set question_model = ${queryFingerprint}
    where id = ${sourceId} and question_model is distinct from ${queryFingerprint}`.execute(db);
}
