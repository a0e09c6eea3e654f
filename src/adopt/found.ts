import type { RawBuilder } from "kysely";
import type { TableName } from "../database/identifier.ts";
import type { FoundTable } from "../watch/find-table.ts";

/** The tools whose vectors can be taken over; `column` is a script of the user's own. */
export const TOOLS = ["pgai", "supabase", "pg_vectorize", "langchain", "column"] as const;

export type Tool = (typeof TOOLS)[number];

/** Where the other tool keeps its vectors, and what becomes of them. */
export type Kept =
  /** A column of the table with the texts: they stay where they are. */
  | { readonly as: "column"; readonly column: string }
  /** A table with one vector per row and the key's names: they stay there. */
  | { readonly as: "table"; readonly from: FoundTable; readonly column: string }
  /** A table that cannot be ours, with one vector per row: they are copied. */
  | {
      readonly as: "copy";
      readonly from: FoundTable;
      readonly column: string;
      /** The column that has the text of which each vector is. */
      readonly ofText: string;
    }
  /** A table of chunks, with their own key: a chunk that we cut in the same way takes its vector. */
  | {
      readonly as: "chunks";
      readonly from: FoundTable;
      readonly column: string;
      readonly chunk: string;
      readonly length: number;
    };

/** A trigger of the other tool on the table with the texts. */
export interface ForeignTrigger {
  readonly table: TableName;
  readonly name: string;
  /** `pg_trigger.tgenabled` */
  readonly fires: string;
}

/** What else works for the other tool, and is switched off with its triggers. */
interface Workers {
  /** `ai.vectorizer.id` of one that is not disabled yet. */
  readonly vectorizer?: number | undefined;
  /** `cron.job.jobid` of jobs that are active and work for this table alone. */
  readonly cronJobs?: readonly number[] | undefined;
  /** Messages that wait in a queue of pgmq, and are of this table alone: they are archived. */
  readonly messages?: Messages | undefined;
}

interface Messages {
  readonly queue: string;
  /** Over a message `m`. */
  readonly isOurs: RawBuilder<boolean>;
}

/** What the other tool does for one table. */
export interface Found {
  readonly tool: Tool;
  /** How the other tool, or the user, calls it. */
  readonly name: string;
  readonly table: FoundTable;
  /** SQL over the table's columns. */
  readonly text: string;
  /** The primary key by default. */
  readonly key?: readonly string[] | undefined;
  readonly kept: Kept;
  /** The other tool's model, by its own name; null where it does not say. */
  readonly model: string | null;
  readonly triggers: readonly ForeignTrigger[];
  /** The triggers go on, so that the other tool knows what changed when it is given the table back. */
  readonly triggersGoOn?: boolean | undefined;
  readonly workers: Workers;
  /** Each selects the `key`, as the queue writes it, of rows whose vector is known to be of an old text. */
  readonly outdated: readonly RawBuilder<unknown>[];
  /** What a person should know, in sentences. */
  readonly notes: readonly string[];
}

/** What the user says in place of what would be found. */
export interface Hints {
  readonly name?: string | undefined;
  readonly table?: string | undefined;
  readonly text?: string | undefined;
  readonly key?: readonly string[] | undefined;
  readonly vector?: string | undefined;
}
