import { TOOLS } from "../adopt/found.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { oneOf, type Options } from "./command.ts";
import { WATCH_OPTIONS } from "./watch-options.ts";

const { list: _list, tenant: _tenant, type: _type, dim: _dim, text, vector, ...WATCHED } = WATCH_OPTIONS;

/** In the order of the help. */
export const ADOPT_OPTIONS = {
  table: {
    type: "string",
    value: "TABLE",
    about: "the table with the texts, for langchain, supabase and column",
  },
  text: { ...text, about: "the text that was embedded, where the tool does not say it: a column, or SQL" },
  vector: { ...vector, about: "the column of the vectors; default: what the tool says, or embedding" },
  outdated: {
    type: "string",
    value: "CONDITION",
    about: "SQL: rows whose vector is of an old text or another model; they are embedded again",
  },
  ...WATCHED,
  sample: { type: "string", value: "N", about: "texts that are embedded again as the proof; default: 20" },
  threshold: {
    type: "string",
    value: "COSINE",
    about: "the least similarity of a text's two vectors; default: 0.98",
  },
  "dry-run": {
    type: "boolean",
    default: false,
    about: "shows what it would do and changes nothing; sends the sample only if --sample is given",
  },
  yes: { type: "boolean", default: false, about: "does not ask; needed where there is no terminal" },
  rollback: {
    type: "string",
    value: "NAME",
    about: "gives a source back: switches the other tool's triggers on again, and unwatches",
  },
  force: { type: "boolean", default: false, about: "with --rollback: although rows wait for their vectors" },
} as const satisfies Options;

export const DEFAULT_SAMPLE = 20;
const DEFAULT_THRESHOLD = 0.98;

/** @throws {UsageError} */
export function toolOf(name: string | undefined) {
  const tool = oneOf("adopt", name, TOOLS);
  if (tool !== undefined) return tool;
  throw new UsageError(
    `Name the tool: ${TOOLS.join(", ")}.`,
    `Such as: ${invocation("adopt", "pgai --dry-run")}`,
  );
}

/** @throws {UsageError} */
export function thresholdOf(value: string | undefined): number {
  const threshold = Number(value ?? DEFAULT_THRESHOLD);
  if (threshold > 0 && threshold <= 1) return threshold;
  throw new UsageError(
    `--threshold takes a cosine similarity above 0, up to 1, got ${JSON.stringify(value)}.`,
    `Such as: --threshold ${DEFAULT_THRESHOLD}`,
  );
}
