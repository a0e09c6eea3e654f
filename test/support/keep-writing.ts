import { setTimeout as delay } from "node:timers/promises";
import { prose } from "./chunked-documents.ts";
import { withClient } from "./with-client.ts";

const PAUSE_MS = 5;
/** No multiple of the number of kinds of changes, so that each kind meets each key. */
const KEYS = 61;
/** Every third text is one of so few that it is in the cache before long. */
const FREQUENT_TEXTS = 20;

export interface WrittenTable {
  readonly name: string;
  readonly text: string;
  /** The columns of its key; the last one is a number. */
  readonly key: readonly string[];
  readonly keyOf: (n: number) => readonly unknown[];
}

/**
 * A user who inserts, changes, blanks, moves and deletes rows of each table in turn, until the signal.
 * @param from the number of the first change; each has its own, from which its keys and texts are made
 * @returns the number of the next change
 */
export async function keepWriting(
  url: string,
  tables: readonly WrittenTable[],
  from: number,
  signal: AbortSignal,
): Promise<number> {
  return await withClient(url, async (client) => {
    let n = from;
    for (; !signal.aborted; n++) {
      for (const table of tables) await client.query(...change(table, n));
      await delay(PAUSE_MS);
    }
    return n;
  });
}

function change({ name, text, key, keyOf }: WrittenTable, n: number): [sql: string, values: unknown[]] {
  const values = [...keyOf((n * 7919) % KEYS)];
  const next = `$${values.length + 1}`;
  const isKey = key.map((column, i) => `${column} = $${i + 1}`).join(" and ");
  switch (n % 10) {
    case 0:
      return [`delete from ${name} where ${isKey}`, values];
    case 1:
      return [`update ${name} set ${text} = '' where ${isKey}`, values];
    case 2:
      return [`update ${name} set ${text} = ${text} where ${isKey}`, values];
    case 3:
      return [`update ${name} set ${key.at(-1) ?? ""} = ${next} where ${isKey}`, [...values, KEYS + n]];
    default: {
      const columns = key.join(", ");
      const insert = `insert into ${name} (${columns}, ${text}) values (${values.map((_, i) => `$${i + 1}`).join(", ")}, ${next})`;
      const changed = prose(1 + (n % 4), `${n % 3 === 0 ? n % FREQUENT_TEXTS : n}/`);
      return [
        `${insert} on conflict (${columns}) do update set ${text} = excluded.${text}`,
        [...values, changed],
      ];
    }
  }
}
