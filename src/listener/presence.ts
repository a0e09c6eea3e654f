import { hostname } from "node:os";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { VERSION } from "../version.ts";

/** How often a listener says that it is alive. */
const HEARTBEAT_MS = 1_000;
/** How long a silent listener keeps its claims; taken over, at the latest, one heartbeat later. */
const SILENCE_MS = 3_500;

/**
 * This process's row in `embedding_listener`: alive by heartbeat, so that a killed listener's claims are free again
 * within five seconds however long its requests may take.
 *
 * Only the server's clock is asked, and nothing hangs on a session, so clocks may be wrong and poolers in between. A
 * listener that was merely slow loses nothing but a request: each write-back is guarded by the row's ticket and by the
 * hash of its text.
 */
export class Presence {
  readonly #db: Database;
  readonly #describe: () => Record<string, unknown>;
  readonly #onBeat: () => Promise<void>;
  #id = 0;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();

  /** @param describe what the listener says of itself, as JSON. @param onBeat work that is due with every beat. */
  constructor(db: Database, describe: () => Record<string, unknown>, onBeat: () => Promise<void>) {
    this.#db = db;
    this.#describe = describe;
    this.#onBeat = onBeat;
  }

  /** embedding_listener.id */
  get id(): number {
    return this.#id;
  }

  async start(): Promise<void> {
    await this.#appear();
    await this.#takeOver();
    this.#schedule();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#beating;
    await this.#db.deleteFrom("embedding_listener").where("id", "=", this.#id).execute();
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat()
        .catch(() => undefined) // a database that is away is noticed, and told, by the workers
        .finally(() => {
          if (this.#timer !== undefined) this.#schedule();
        });
    }, HEARTBEAT_MS);
  }

  async #beat(): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable("embedding_listener")
      .set({ seen_at: sql`now()`, state: JSON.stringify(this.#describe()) })
      .where("id", "=", this.#id)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) await this.#appear();
    await this.#takeOver();
    await this.#onBeat();
  }

  async #appear(): Promise<void> {
    const { id } = await this.#db
      .insertInto("embedding_listener")
      .values({
        host: hostname(),
        pid: process.pid,
        version: VERSION,
        state: JSON.stringify(this.#describe()),
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    this.#id = id;
  }

  /** Frees the claims of listeners that fell silent. What a user holds locked is freed at a later beat. */
  async #takeOver(): Promise<void> {
    const silent = await this.#db
      .selectFrom("embedding_listener")
      .select("id")
      .where("seen_at", "<", sql<Date>`now() - ${SILENCE_MS} * interval '1 millisecond'`)
      .where("id", "<>", this.#id)
      .execute();
    for (const { id } of silent) await takeOver(this.#db, id);
  }
}

async function takeOver(db: Database, silent: number): Promise<void> {
  await sql`
    with freed as (
      update embedding_queue q set owner = null
      from (select source_id, key from embedding_queue where owner = ${silent} for update skip locked) o
      where q.source_id = o.source_id and q.key = o.key
    )
    select 1`.execute(db);
  await sql`
    delete from embedding_listener l
    where l.id = ${silent} and not exists (select from embedding_queue q where q.owner = l.id)`.execute(db);
  await sql`select pg_notify('embedding_queue', '')`.execute(db);
}
