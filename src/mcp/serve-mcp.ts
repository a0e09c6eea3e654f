import { VERSION } from "../version.ts";
import type { Sdk } from "./load-sdk.ts";
import { addOverviewTools } from "./overview-tools.ts";
import { addSearchTools } from "./search-tools.ts";
import type { Tools } from "./tools.ts";

/** Serves the tools to the MCP client at stdin and stdout, until it has gone or `stopped` resolves. */
export async function serveMcp(
  { McpServer, StdioServerTransport }: Sdk,
  tools: Tools,
  stopped: Promise<unknown>,
): Promise<void> {
  const server = new McpServer({ name: "pg-autoembed", version: VERSION });
  addSearchTools(server, tools);
  addOverviewTools(server, tools);
  const gone = new Promise((resolve) => {
    process.stdin.once("end", resolve).once("close", resolve);
    process.stdout.once("error", resolve);
  });
  await server.connect(new StdioServerTransport());
  await Promise.race([gone, stopped]);
  await server.close();
}
