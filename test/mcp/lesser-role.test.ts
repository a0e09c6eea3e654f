import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openPool } from "../../src/database/pools.ts";
import { startAgent } from "../support/agent.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { nameIn, role } from "../support/roles.ts";

/** The tables that docs/search.md lists for an agent's `status`, in its own words. */
function tablesOfStatus(): string[] {
  const [, listed = ""] =
    /^- for `status` also `select` on the tables ([^]*?) of\s+the schema `autoembed`\.$/m.exec(
      readFileSync("docs/search.md", "utf8"),
    ) ?? [];
  return [...listed.matchAll(/`(\w+)`/g)].map(([, table = ""]) => `autoembed.${table}`);
}

describeNative("An agent with a role of its own", "needs roles of its own", () => {
  test("With EMBED_MCP_DATABASE_URL an agent finds what that role may read, and counts what it may count, with the grants that docs/search.md lists", async () => {
    const { client, database, environment, listen } = await prepare();
    const listener = await listen();
    await client.query("insert into patient_embeddings values (1, 'asthma'), (2, 'migraine')");
    await listener.whenDrained();
    const url = await role(client, database.url, "agent");
    await client.query(`select autoembed.grant_search('${nameIn(url)}')`);
    const agent = await startAgent([], { ...environment, EMBED_MCP_DATABASE_URL: url });
    const search = () => agent.call("search", { question: "asthma" });
    expect((await search()).isError).toBe(true);
    await client.query(`grant select on patient_embeddings to ${nameIn(url)}`);
    const found = await search();
    expect(found).toMatchObject({ isError: false });
    expect((JSON.parse(found.text) as { hits: unknown[] }).hits).toHaveLength(2);
    expect(await agent.call("status")).toEqual({
      isError: true,
      text: "The database does not let this role read that.",
    });
    expect((await agent.call("sources")).text).toContain("patient_embeddings");
    await client.query(`grant select on ${tablesOfStatus().join(", ")} to ${nameIn(url)}`);
    const counted = await agent.call("status");
    expect(counted).toMatchObject({ isError: false });
    expect(counted.text).toContain('"current":2');
  });
});

test("A pool for agents refuses every write, also where the role may write", async () => {
  const { database } = await prepare();
  const db = openPool("agent", { DATABASE_URL: database.url });
  try {
    await expect(
      db.updateTable("autoembed.embedding_source").set({ paused: true }).execute(),
    ).rejects.toMatchObject({ code: "25006" });
  } finally {
    await db.destroy();
  }
});
