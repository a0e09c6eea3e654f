import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { onTestFinished } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export interface Agent {
  readonly client: Client;
  /** What the command wrote to stdout that is no message of the protocol. */
  readonly noise: readonly Error[];
  readonly call: (
    tool: string,
    input?: Record<string, unknown>,
  ) => Promise<{ readonly isError: boolean; readonly text: string }>;
}

/** An MCP client that has started the built command; it ends with the test. */
export async function startAgent(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Agent> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [CLI, "mcp", ...args],
    env: { PATH: process.env["PATH"] ?? "", ...environment },
    stderr: "ignore",
  });
  const client = new Client({ name: "test", version: "1.0.0" });
  const noise: Error[] = [];
  client.onerror = (error) => noise.push(error);
  await client.connect(transport);
  onTestFinished(() => client.close());
  return {
    client,
    noise,
    call: async (name, input = {}) => {
      const { content, isError } = await client.callTool({ name, arguments: input });
      const [part] = content as { text: string }[];
      return { isError: isError === true, text: part?.text ?? "" };
    },
  };
}
