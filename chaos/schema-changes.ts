import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

/** A migration waits this long for the table, as a careful one does: others queue behind it. */
const LOCK_TIMEOUT = "2s";
/** The SQLSTATEs of a migration that the chaos has cut, or for which users had the table in hand. */
const TRIED_AGAIN = /^(connection|57P0[123]|08\w{3}|55P03)$/;
const RENAMED = "body_of_note";

const text = (type: string): string =>
  `alter table patient_embeddings alter column context_text type ${type}`;
const other = (type: string): string => `alter table patient_embeddings alter column noted type ${type}`;
const key = (type: string): string => `alter table patient_embeddings alter column patient_id type ${type}`;
const rename = (from: string, to: string): string =>
  `alter table patient_embeddings rename column ${from} to ${to}`;

/** Each kind of change is made, and taken back after a while. */
const CHANGES: readonly (readonly [name: string, change: string, back: string])[] = [
  ["type of the text", text("varchar(4000)"), text("text")],
  ["type of the key", key("numeric"), key("bigint")],
  [
    "a column more, and its type",
    `alter table patient_embeddings add column if not exists noted int default 7; ${other("bigint")}`,
    "alter table patient_embeddings drop column if exists noted",
  ],
  ["rename of the text", rename("context_text", RENAMED), rename(RENAMED, "context_text")],
  [
    // As a migration that also changes data: it has rows in hand already when it asks for the table. No other user has
    // these rows, so that users never deadlock with each other.
    "a change of rows and of the type in one transaction",
    `insert into patient_embeddings select -n, 'migrated ' || random() from generate_series(1, 50) n
       on conflict (patient_id) do update set context_text = excluded.context_text; ${text("varchar")}`,
    text("text"),
  ],
];

/** What the application's migrations do to the watched table while everything else goes on. */
export class SchemaChanges {
  readonly #url: string;
  readonly #random: Random;
  readonly #faults: Tally;
  readonly #failed: Tally;
  #turn = 0;

  /** @param failed SQLSTATEs of changes that failed because of us */
  constructor(url: string, random: Random, faults: Tally, failed: Tally) {
    this.#url = url;
    this.#random = random;
    this.#faults = faults;
    this.#failed = failed;
  }

  /** Makes the next change, takes it back a moment later, and does not return before that. */
  async next(): Promise<void> {
    const [name, change, back] = CHANGES[this.#turn++ % CHANGES.length] ?? [];
    if (name === undefined || change === undefined || back === undefined) return;
    if (!(await this.#apply(change))) return;
    this.#faults.add(`schema changes (${name})`);
    await delay(this.#random.whole(200, 2_000));
    while (!(await this.#apply(back)));
  }

  /** @returns whether it needs no further try: it is done, by this one or by one whose answer was cut, or it cannot be */
  async #apply(change: string): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.#url, application_name: "chaos migration" });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query(`begin; set local lock_timeout = '${LOCK_TIMEOUT}'; ${change}; commit`);
      return true;
    } catch (error) {
      return await this.#isDone(error);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async #isDone(error: unknown): Promise<boolean> {
    const code = error instanceof pg.DatabaseError ? (error.code ?? "unknown") : "connection";
    // A rename whose answer was cut has no column of its old name any more.
    if (code === "42703" || code === "42701") return true;
    if (!TRIED_AGAIN.test(code)) {
      // The run has failed already, and another try would fail like this one.
      this.#failed.add(`schema change ${code}`);
      return true;
    }
    await delay(200);
    return false;
  }
}
