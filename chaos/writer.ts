import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

const KEYS = 2_000;
const TEXTS = 400;
const BLANKS = ["", "   ", "\n\t"];
/** The SQLSTATEs of a user's connection that the chaos, not the listener, has cut. */
export const CUT = /^(57P0[123]|08\w{3})$/;
/** We must never make a user wait this long: such a statement fails (57014), so that the chaos goes on. */
const LONGEST_WAIT_MS = 20_000;
/** Under REPEATABLE READ and SERIALIZABLE, every user must expect this error, whatever others write, and try again. */
const SERIALIZATION_FAILURE = "40001";
/** The SQLSTATE of a trigger function's own warning. */
const WARNING = "01000";
/** After so many tries a user would take it for a failure. */
const MOST_TRIES = 100;
const MIXED = ["read committed", "read committed", "repeatable read", "serializable"] as const;

export interface WriterTallies {
  readonly operations: Tally;
  readonly cut: Tally;
  readonly retried: Tally;
  /** SQLSTATEs that a user should never have seen: failures because of us. */
  readonly failed: Tally;
  /** Milliseconds that each statement took. */
  readonly waits: number[];
}

type Statement = readonly [name: string, sql: string, values: readonly unknown[]];

/** A user who writes to `patient_embeddings` until stopped, and reconnects whenever the chaos cuts the connection. */
export class Writer {
  readonly #url: string;
  readonly #random: Random;
  readonly #tallies: WriterTallies;
  readonly #freshKey: () => number;
  readonly #isolation: string | undefined;
  #client: pg.Client | undefined;

  /** @param isolation of all transactions; undefined: of all kinds, and single statements */
  constructor(
    url: string,
    random: Random,
    tallies: WriterTallies,
    freshKey: () => number,
    isolation: string | undefined,
  ) {
    this.#isolation = isolation;
    this.#url = url;
    this.#random = random;
    this.#tallies = tallies;
    this.#freshKey = freshKey;
  }

  async run(signal: AbortSignal, pauseMs: number): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#untilSerialized(await this.#connected(), this.#random.whole(1, 1e9));
      } catch (error) {
        this.#judge(error);
        await this.#client?.end().catch(() => undefined);
        this.#client = undefined;
        await delay(100);
      }
      await delay(this.#random.next() * 2 * pauseMs);
    }
    await this.#client?.end().catch(() => undefined);
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "chaos writer",
      statement_timeout: LONGEST_WAIT_MS,
    });
    client.on("error", () => undefined);
    // A trigger function that could not queue a change says so, and the write goes through.
    client.on("notice", ({ code }) => {
      if (code === WARNING) this.#tallies.failed.add("a change was not queued");
    });
    await client.connect();
    this.#client = client;
    return client;
  }

  #judge(error: unknown): void {
    const code = error instanceof pg.DatabaseError ? (error.code ?? "unknown") : "connection";
    if (code === "connection" || CUT.test(code)) this.#tallies.cut.add(code);
    else if (isOfRename(error)) this.#tallies.cut.add("column renamed");
    else this.#tallies.failed.add(code);
  }

  /** The same transaction again for as long as it is told that others were faster. */
  async #untilSerialized(client: pg.Client, seed: number): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#transaction(client, new Random(seed));
        return;
      } catch (error) {
        const isRetried = error instanceof pg.DatabaseError && error.code === SERIALIZATION_FAILURE;
        if (!isRetried || tries === MOST_TRIES) throw error;
        this.#tallies.retried.add(SERIALIZATION_FAILURE);
        await client.query("rollback");
      }
    }
  }

  /** Runs one statement, or several in a transaction. Keys ascend, so that users never deadlock with each other. */
  async #transaction(client: pg.Client, random: Random): Promise<void> {
    const isSingle = random.chance(0.6);
    if (isSingle && this.#isolation === undefined) {
      await this.#execute(client, this.#statement(random.whole(1, KEYS), random));
      return;
    }
    await client.query(`begin isolation level ${this.#isolation ?? random.pick(MIXED)}`);
    const keys = Array.from({ length: isSingle ? 1 : random.whole(2, 8) }, () => random.whole(1, KEYS)).sort(
      (a, b) => a - b,
    );
    for (const key of keys) {
      if (random.chance(0.2)) {
        await client.query("savepoint here");
        await this.#execute(client, this.#statement(key, random));
        await client.query(random.chance(0.5) ? "rollback to here" : "release here");
      } else if (random.chance(0.1)) {
        await client.query("select from patient_embeddings where patient_id = $1 for update", [key]);
        await delay(random.whole(1, 400));
      } else await this.#execute(client, this.#statement(key, random));
    }
    await client.query(random.chance(0.2) ? "rollback" : "commit");
  }

  async #execute(client: pg.Client, [name, sql, values]: Statement): Promise<void> {
    const started = performance.now();
    await client.query(sql, [...values]);
    this.#tallies.waits.push(performance.now() - started);
    this.#tallies.operations.add(name);
  }

  #statement(key: number, random: Random): Statement {
    const text = textOf(random);
    const table = "patient_embeddings";
    const update = `update ${table} set context_text = $2 where patient_id = $1`;
    const roll = random.next();
    if (roll < 0.3) return ["update", update, [key, text]];
    if (roll < 0.36) return ["blank", update, [key, random.pick(BLANKS)]];
    if (roll < 0.42) {
      return ["same text", `update ${table} set context_text = context_text where patient_id = $1`, [key]];
    }
    if (roll < 0.66) {
      const upsert = "on conflict (patient_id) do update set context_text = excluded.context_text";
      return ["upsert", `insert into ${table} values ($1, $2) ${upsert}`, [key, text]];
    }
    if (roll < 0.8)
      return ["insert", `insert into ${table} values ($1, $2) on conflict do nothing`, [key, text]];
    if (roll < 0.9) return ["delete", `delete from ${table} where patient_id = $1`, [key]];
    if (roll < 0.95) {
      // No other user knows the new key, so two users never wait for each other's.
      return ["key", `update ${table} set patient_id = $2 where patient_id = $1`, [key, this.#freshKey()]];
    }
    return [
      "many",
      `insert into ${table} select n, $3 from generate_series($1::bigint, $2::bigint) n`,
      [...this.#freshKeys(random.whole(1, 20)), text],
    ];
  }

  #freshKeys(count: number): [number, number] {
    const first = this.#freshKey();
    let last = first;
    for (let i = 1; i < count; i++) last = this.#freshKey();
    return [first, last];
  }
}

function textOf(random: Random): string {
  if (random.chance(0.3)) return `note ${random.whole(1, 1e9)}: dyspnoea, “quoted”, 日本語, مرحبا, 🩺`;
  return `patient note ${random.whole(1, TEXTS)}`;
}

/** The statement itself names a column that has another name just now; nothing that it called does. */
export function isOfRename(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === "42703" && error.where === undefined;
}
