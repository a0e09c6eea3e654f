import { describeChunking } from "../chunks/chunk-settings.ts";
import type { TableName } from "../database/identifier.ts";
import type { PresentSource } from "./present-source.ts";
import type { WantedSource } from "./wanted-source.ts";

/** One part of a source that is declared in another way than the database has it, in words. */
export interface Difference {
  readonly part:
    "table" | "key" | "text" | "vector" | "into" | "chunks" | "tenant" | "type" | "model" | "settings";
  readonly from: string;
  readonly to: string;
}

/** All that a second `watch` changes without a new model. */
export function compareDefinitions(wanted: WantedSource, present: PresentSource): Difference[] {
  const parts: readonly (readonly [Difference["part"], boolean, string, string])[] = [
    ["table", String(present.oid) === wanted.table.oid, nameOf(present.table), nameOf(wanted.table)],
    ["key", isSameList(present.key, wanted.key), present.key.join(", "), wanted.key.join(", ")],
    ["text", present.text === wanted.text, present.text, wanted.text],
    ["vector", present.vector === wanted.vector, present.vector, wanted.vector],
    ["into", isSameReceiver(wanted, present), intoOf(present.into), intoOf(wanted.into)],
    ["chunks", isSameCut(wanted, present), cutOf(present.chunks), cutOf(wanted.chunks)],
    ["tenant", present.tenant === wanted.tenant, present.tenant ?? "none", wanted.tenant ?? "none"],
  ];
  return parts.flatMap(([part, isSame, from, to]) => (isSame ? [] : [{ part, from, to }]));
}

function isSameReceiver({ into }: WantedSource, { into: present }: PresentSource): boolean {
  if (present === "dropped" || present === null || into === null) return into === present;
  return String(present.oid) === into.oid;
}

function isSameCut({ chunks }: WantedSource, { chunks: present }: PresentSource): boolean {
  return cutOf(chunks) === cutOf(present);
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function nameOf(table: TableName | null): string {
  return table === null ? "a table that was dropped" : `${table.schema}.${table.table}`;
}

function intoOf(into: PresentSource["into"] | WantedSource["into"]): string {
  return into === null ? "the watched table" : into === "dropped" ? nameOf(null) : nameOf(into);
}

function cutOf(chunks: WantedSource["chunks"]): string {
  return chunks === null ? "whole" : describeChunking(chunks);
}
