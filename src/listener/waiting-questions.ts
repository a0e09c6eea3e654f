import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isSilent } from "../membership/alive.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";

/** A question that `autoembed.ask()` has put, and what its source has of its own in place of the environment's settings. */
export interface WaitingQuestion extends ProviderOverrides {
  readonly sourceId: number;
  /** Its name. */
  readonly source: string;
  /** sha256 of the question, in hex. */
  readonly hash: string;
  readonly question: string;
  /** `embedding_source.question_model` when it was taken. */
  readonly questionModel: string | null;
}

/** Who waits asks again every second. */
const ABANDONED = sql.raw("interval '1 minute'");

/** What `autoembed.refuse_question()` knows. */
export type QuestionFailure = "refused" | "too_long" | "setup" | "unavailable";

/** Questions that this listener is at work on, and how many more it takes. */
export interface TakenQuestions {
  /** embedding_listener.id */
  readonly owner: number;
  /** By `nameOf`. */
  readonly underWay: readonly string[];
  readonly most: number;
}

export function nameOf({ sourceId, hash }: Pick<WaitingQuestion, "sourceId" | "hash">): string {
  return `${sourceId}:${hash}`;
}

/**
 * Takes the questions that no living listener has: each is paid for once, however many sessions and listeners there are.
 * One that is this listener's in the table alone is taken too: the reply to an earlier taking may have been lost.
 */
export async function takeQuestions(
  db: Database,
  { owner, underWay, most }: TakenQuestions,
): Promise<WaitingQuestion[]> {
  const { rows } = await sql<WaitingQuestion>`
    update autoembed.embedding_asked a set owner = ${owner}
    from autoembed.embedding_source s
    where s.id = a.source_id and (a.source_id, a.text_hash) in (
      select w.source_id, w.text_hash from autoembed.embedding_asked w
      where w.question is not null and w.asked_at > now() - ${ABANDONED}
        and w.source_id || ':' || encode(w.text_hash, 'hex') <> all(${underWay}::text[])
        and (w.owner is null or w.owner = ${owner} or not exists (
          select from autoembed.embedding_listener l where l.id = w.owner and not (${isSilent})))
      order by w.asked_at limit ${most} for update skip locked)
    returning a.source_id as "sourceId", encode(a.text_hash, 'hex') as hash, a.question,
      s.name as source, s.backend, s.model, s.dimensions, s.settings, s.question_model as "questionModel"`.execute(
    db,
  );
  return rows;
}

/** The question has its vector: it waits no longer. */
export async function forgetQuestion(db: Database, waiting: WaitingQuestion): Promise<void> {
  await sql`delete from autoembed.embedding_asked a where ${isThis(waiting)}`.execute(db);
}

/** Its text is removed; why it failed stays for those who ask. */
export async function failQuestion(
  db: Database,
  waiting: WaitingQuestion,
  failure: QuestionFailure,
): Promise<void> {
  await sql`
    update autoembed.embedding_asked a set question = null, owner = null, failure = ${failure}
    where ${isThis(waiting)}`.execute(db);
}

/** Leaves it to whoever takes it next. */
export async function releaseQuestion(db: Database, waiting: WaitingQuestion): Promise<void> {
  await sql`update autoembed.embedding_asked a set owner = null where ${isThis(waiting)}`.execute(db);
}

/** Removes the questions that nobody has asked for in the last minute. */
export async function dropAbandonedQuestions(db: Database): Promise<void> {
  await sql`delete from autoembed.embedding_asked a where a.asked_at < now() - ${ABANDONED}`.execute(db);
}

function isThis({ sourceId, hash }: WaitingQuestion) {
  return sql`a.source_id = ${sourceId} and a.text_hash = decode(${hash}, 'hex')`;
}
