import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { recordProblem } from "../sources/record-problem.ts";
import type { Source } from "../sources/source.ts";

/** What keeps each source from being embedded: an event when it changes, and recorded in `embedding_source.trouble`. */
export class SourceProblems {
  readonly #db: Database;
  readonly #events: Events;
  /** The problem by `embedding_source.id`. */
  readonly #reported = new Map<number, string>();

  constructor(db: Database, events: Events) {
    this.#db = db;
    this.#events = events;
  }

  async failing({ id, name }: Pick<Source, "id" | "name">, problem: string): Promise<void> {
    if (this.#reported.get(id) === problem) return;
    this.#events.emit("source_failing", { source: name, problem });
    await recordProblem(this.#db, id, problem);
    this.#reported.set(id, problem);
  }

  async recovered({ id, name }: Pick<Source, "id" | "name">): Promise<void> {
    await recordProblem(this.#db, id, null);
    if (this.#reported.delete(id)) this.#events.emit("source_recovered", { source: name });
  }
}
