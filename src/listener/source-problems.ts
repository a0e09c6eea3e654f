import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { recordProblem } from "../sources/record-problem.ts";
import type { Source } from "../sources/source.ts";

/** What keeps each source from being embedded, said when it changes: as an event, and in `embedding_source.trouble`. */
export class SourceProblems {
  readonly #db: Database;
  readonly #events: Events;
  /** `embedding_source.id` to the problem. */
  readonly #said = new Map<number, string>();

  constructor(db: Database, events: Events) {
    this.#db = db;
    this.#events = events;
  }

  async troubled({ id, name }: Pick<Source, "id" | "name">, problem: string): Promise<void> {
    if (this.#said.get(id) === problem) return;
    this.#events.emit("troubled", { source: name, problem });
    await recordProblem(this.#db, id, problem);
    this.#said.set(id, problem);
  }

  async recovered({ id, name }: Pick<Source, "id" | "name">): Promise<void> {
    await recordProblem(this.#db, id, null);
    if (this.#said.delete(id)) this.#events.emit("recovered", { source: name });
  }
}
