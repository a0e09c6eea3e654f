import { readConfig, type Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { invocation } from "../invocation.ts";
import { parseColumns } from "../mcp/allowed-columns.ts";
import { loadSdk } from "../mcp/load-sdk.ts";
import { serveMcp } from "../mcp/serve-mcp.ts";
import { openSearcher } from "../search/open-searcher.ts";
import { parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { openDatabase } from "./database-of.ts";
import { stopSignal } from "./stop-signal.ts";

const OPTIONS = {
  columns: {
    type: "string",
    multiple: true,
    value: "SOURCE=COLUMN,…",
    about: "columns of a source that answers have and filters may use; without it, none",
  },
  texts: { type: "boolean", default: false, about: "answers have the texts of the rows too" },
  characters: { type: "string", value: "N", default: "20000", about: "the most characters of an answer" },
} as const satisfies Options;

export const mcp: Command = {
  usage: invocation("mcp", "[--columns SOURCE=COLUMN,…] [--texts] [--characters 20000]"),
  summary:
    "serve search, similar, sources and status to an agent by the Model Context Protocol on stdin and stdout; nothing is ever written",
  options: OPTIONS,
  examples: [
    [invocation("mcp"), "keys and scores alone, for an agent that reads rows by other means"],
    [invocation("mcp", "--columns tickets=title,status --texts"), "with texts, and two columns of tickets"],
  ],
  async run(args) {
    const { values } = parseCommand(mcp, args, { options: OPTIONS });
    const columns = parseColumns(values.columns ?? []);
    const characters = wholeNumber("--characters", values.characters, 1_000, 1_000_000);
    const sdk = await loadSdk();
    // stdout is the protocol's alone, also where a library has something to say.
    Object.assign(console, { log: console.error, info: console.error, debug: console.error });
    const config = readConfig(process.env, console.error);
    const { db, close } = await openForAgent(config);
    const { searcher, canRerank, close: closeSearcher } = openSearcher(db, config);
    try {
      for (const source of columns.keys()) await searcher.of(source);
      const tools = {
        db,
        searcher,
        columns,
        showsTexts: values.texts,
        canRerank,
        characters,
      };
      await serveMcp(sdk, tools, stopSignal());
      return 0;
    } finally {
      await closeSearcher();
      await close();
    }
  },
};

/** As the agents' own role, where there is one. */
async function openForAgent(config: Config): Promise<{ db: Database; close: () => Promise<void> }> {
  if (config.EMBED_MCP_DATABASE_URL !== undefined) {
    const db = openPool("agent", { DATABASE_URL: config.EMBED_MCP_DATABASE_URL });
    return { db, close: () => db.destroy() };
  }
  const database = await openDatabase(config);
  const db = openPool("agent", database.config);
  const close = async (): Promise<void> => {
    await db.destroy();
    await database.close();
  };
  return { db, close };
}
