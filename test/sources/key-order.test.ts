import { sql } from "kysely";
import { expect, test } from "vitest";
import { isAfter, isUpTo } from "../../src/sources/key-order.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { keysOf, watchedKeys } from "../../src/sources/source-sql.ts";
import { describeNative } from "../support/database.ts";
import { openMigrated } from "../support/migrated.ts";

interface Plan {
  readonly "Node Type": string;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Plan[];
}

function nodes(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)];
}

describeNative("Pages of a key with a type of an extension", "needs citext", () => {
  test("A page in the middle of the table is read from its first row on, by the key's index", async () => {
    const { client, db } = await openMigrated();
    await client.query(`create extension citext;
      create table notes (code citext, n int, body text, embedding vector(8), primary key (code, n));
      insert into notes select 'C' || lpad((i / 10)::text, 6, '0'), i % 10, 'text' from generate_series(1, 20000) i;
      select autoembed.watch('notes', 'body')`);
    await client.query("vacuum analyze notes");
    const source = (await loadSources(db)).usable.find(({ name }) => name === "notes");
    if (source === undefined) throw new Error("notes is not watched");
    const key = ["C001000", "5"];
    for (const [condition, order] of [
      [isAfter(source, "t", key), sql`${keysOf(source, "t")}`],
      [isUpTo(source, "t", key), sql`t.k0 desc, t.k1 desc`],
    ] as const) {
      const { rows } = await sql<{ "QUERY PLAN": readonly [{ Plan: Plan }] }>`
        explain (analyze, costs off, timing off, format json)
        select from ${watchedKeys(source)} t where ${condition} order by ${order} limit 100`.execute(db);
      const read = nodes(rows[0]?.["QUERY PLAN"][0].Plan ?? { "Node Type": "none" });
      expect(read.map((node) => node["Node Type"])).not.toContain("Sort");
      expect(read.map((node) => node["Node Type"])).not.toContain("Seq Scan");
      expect(Math.max(...read.map((node) => node["Rows Removed by Filter"] ?? 0))).toBeLessThan(20);
    }
  });
});
