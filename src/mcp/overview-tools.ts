import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { isChunked } from "../sources/chunked-source.ts";
import { loadSources } from "../sources/load-sources.ts";
import { countRows } from "../status/count-rows.ts";
import { sampleSources } from "../status/sample-sources.ts";
import { answer, type Findings } from "./answer.ts";
import type { Tools } from "./tools.ts";

/** Counting reads whole tables: an agent that asks again at once gets the same answer. */
const COUNTED_MS = 30_000;

/** Adds the tools `sources` and `status`. */
export function addOverviewTools(server: McpServer, tools: Tools): void {
  const annotations = { readOnlyHint: true, openWorldHint: false };
  const inputSchema = z.strictObject({});
  const status = keptFor(COUNTED_MS, () => readStatus(tools));
  server.registerTool(
    "sources",
    {
      description:
        "Lists what can be searched: each source with its table, its key, the SQL expression whose text is embedded, and the columns that search may filter by and returns.",
      annotations,
      inputSchema,
    },
    () => answer(tools.characters, () => readSources(tools)),
  );
  server.registerTool(
    "status",
    {
      description:
        "Counts per source the rows with a text, those whose vector is current, and those that are pending, in flight or failed. Counting reads the tables, so an answer may be 30 seconds old.",
      annotations,
      inputSchema,
    },
    () => answer(tools.characters, status),
  );
}

async function readSources({ db, columns }: Tools): Promise<Findings> {
  const { usable, chunked } = await loadSources(db, "search");
  const embedding = new Set(chunked.map(({ embeddedBy }) => embeddedBy));
  const searched = [...usable.filter(({ id }) => !embedding.has(id)), ...chunked];
  const items = searched.map((source) => ({
    name: source.name,
    table: `${source.schema}.${source.table}`,
    key: source.key.map(({ name }) => name),
    embeds: source.textExpression,
    inChunks: isChunked(source),
    columns: columns.get(source.name) ?? [],
  }));
  return { name: "sources", items };
}

async function readStatus({ db }: Tools): Promise<Findings> {
  const { usable, chunked } = await loadSources(db);
  const items = [];
  for (const { id, name, paused, pending, in_flight, failed, problem } of await sampleSources(db)) {
    const source = [...usable, ...chunked].find((one) => one.id === id);
    const counted = source === undefined ? undefined : await countRows(db, source);
    items.push({
      name,
      rows: counted?.rows ?? null,
      current: counted?.current ?? null,
      pending,
      in_flight,
      failed,
      paused,
      // What it is may name a provider or its address: that is for the operator.
      hasProblem: source === undefined || problem !== null,
    });
  }
  return { name: "sources", items };
}

/** The same answer for so long; a failure is not kept. */
function keptFor<T>(milliseconds: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly answer: Promise<T>; readonly until: number } | undefined;
  return async () => {
    if (kept === undefined || kept.until < performance.now())
      kept = { answer: read(), until: performance.now() + milliseconds };
    try {
      return await kept.answer;
    } catch (error) {
      kept = undefined;
      throw error;
    }
  };
}
