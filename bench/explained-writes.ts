import { EventEmitter } from "node:events";
import pg from "pg";
import { kindOf, type StatementKind } from "./statement-kinds.ts";

/** What one kind of statement does to one table. */
export interface ExplainedWrite {
  readonly kind: StatementKind;
  readonly operation: string;
  readonly table: string;
  readonly microseconds: number;
}

interface PlanNode {
  readonly "Node Type": string;
  readonly Operation?: string;
  readonly "Relation Name"?: string;
  readonly "Actual Total Time"?: number;
  readonly "Actual Loops"?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Why the server cannot send plans; undefined if it can. */
export async function whyNoPlans(client: pg.Client): Promise<string | undefined> {
  try {
    await client.query("load 'auto_explain'");
    return undefined;
  } catch (error) {
    return `not measured: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** From the next session on, the server sends the plan of every statement of this database, with its times, as a notice. */
export async function sendPlans(client: pg.Client): Promise<void> {
  const database = client.escapeIdentifier(client.database ?? "");
  for (const setting of [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_format = 'json'",
    "auto_explain.log_level = 'notice'",
    // Since Postgres 16 it would send the vectors too.
    "auto_explain.log_parameter_max_length = 0",
  ])
    await client.query(`alter database ${database} set ${setting}`);
}

/** Adds up the writes of the plans that this process is sent, on whichever connection, until it is asked for them. */
export function hearPlans(): () => readonly ExplainedWrite[] {
  const writes = new Map<string, ExplainedWrite>();
  const hear = ({ message }: { readonly message?: string }): void => {
    const json = /^duration: .*? plan:\n(\{[^]*\})$/.exec(message ?? "")?.[1];
    if (json === undefined) return;
    const { "Query Text": query, Plan: plan } = JSON.parse(json) as { "Query Text": string; Plan: PlanNode };
    const kind = kindOf(query);
    for (const { operation, table, microseconds } of writesOf(plan)) {
      const key = `${kind} ${operation} ${table}`;
      const before = writes.get(key)?.microseconds ?? 0;
      writes.set(key, { kind, operation, table, microseconds: before + microseconds });
    }
  };
  // The pools that the listener opens are its own: they are heard at the class of their connections.
  pg.Client.prototype.emit = function (this: pg.Client, event: string | symbol, ...values: unknown[]) {
    if (event === "notice") hear(values[0] as { message?: string });
    return EventEmitter.prototype.emit.call(this, event, ...values);
  };
  return () => [...writes.values()];
}

/** The time of each write by itself: without reading, and without what its rows are computed from. */
function writesOf(node: PlanNode): Omit<ExplainedWrite, "kind">[] {
  const children = node.Plans ?? [];
  const below = children.flatMap(writesOf);
  if (node["Node Type"] !== "ModifyTable") return below;
  // What a CTE takes is part of the node that reads it.
  const others = children.filter((child) => !("Subplan Name" in child));
  const milliseconds = timeOf(node) - others.reduce((sum, child) => sum + timeOf(child), 0);
  const { Operation: operation = "", "Relation Name": table = "" } = node;
  return [{ operation: operation.toLowerCase(), table, microseconds: 1000 * milliseconds }, ...below];
}

function timeOf(node: PlanNode): number {
  return (node["Actual Total Time"] ?? 0) * (node["Actual Loops"] ?? 0);
}
