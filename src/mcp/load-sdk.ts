import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { SetupError } from "../errors.ts";

export interface Sdk {
  readonly McpServer: typeof McpServer;
  readonly StdioServerTransport: typeof StdioServerTransport;
}

/** The SDK of the Model Context Protocol, which only this command needs. @throws {SetupError} if it is not installed */
export async function loadSdk(): Promise<Sdk> {
  try {
    const [{ McpServer }, { StdioServerTransport }] = await Promise.all([
      import("@modelcontextprotocol/sdk/server/mcp.js"),
      import("@modelcontextprotocol/sdk/server/stdio.js"),
    ]);
    return { McpServer, StdioServerTransport };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new SetupError(
      "The SDK of the Model Context Protocol is not installed.",
      "Run, where pg-autoembed is installed: npm install @modelcontextprotocol/sdk",
      { cause: error },
    );
  }
}
