import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import pg from "pg";
import { SetupError, UsageError } from "../errors.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { whyUnanswered } from "../search/about-the-question.ts";

/** What a tool found: `items`, best first, under `name`, next to what else is said. */
export interface Findings {
  readonly name: string;
  readonly items: readonly object[];
  readonly more?: object;
}

/** The result of a tool, or why there is none; neither is longer than `characters`. */
export async function answer(characters: number, work: () => Promise<Findings>): Promise<CallToolResult> {
  try {
    return { content: [{ type: "text", text: fitted(characters, await work()) }] };
  } catch (error) {
    return { content: [{ type: "text", text: describe(error).slice(0, characters) }], isError: true };
  }
}

/** As JSON. What is too long is cut between two items, and says so. */
function fitted(characters: number, { name, items, more = {} }: Findings): string {
  const render = (count: number): string => {
    const cut =
      `${items.length - count} of ${items.length} ${name} are left out: an answer has at most ${characters} characters. ` +
      "A lower limit makes answers shorter.";
    return JSON.stringify({
      ...more,
      ...(count < items.length ? { cut } : {}),
      [name]: items.slice(0, count),
    });
  };
  const lengths = items.map((item) => JSON.stringify(item).length + 1);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const whole = JSON.stringify({ ...more, [name]: [] }).length + total;
  if (whole <= characters) return render(items.length);
  let left = characters - render(0).length;
  const end = lengths.findIndex((length) => (left -= length) < 0);
  return render(end === -1 ? items.length : end);
}

/** What an agent may know of an error: neither the provider's words nor its address, and nothing of our settings. */
function describe(error: unknown): string {
  if (error instanceof UsageError) return `${error.message} ${error.remedy}`;
  if (error instanceof ProviderError || error instanceof DOMException) return whyUnanswered(error);
  if (error instanceof SetupError)
    return "What was asked for cannot be searched now; the operator can see why.";
  if (error instanceof pg.DatabaseError && error.code === INSUFFICIENT_PRIVILEGE)
    return "The database does not let this role read that.";
  console.error(`A tool failed: ${error instanceof Error ? error.name : "unknown"}.`);
  return "The database does not answer. Try again in a moment.";
}
