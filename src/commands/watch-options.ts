import { UsageError } from "../errors.ts";
import { BACKEND_IDS } from "../providers/known-backends.ts";
import { JSON_OPTION, oneOf, wholeNumber, type Options } from "./command.ts";
import { PROVIDER_OPTIONS } from "./provider-options.ts";

/** In the order of the help. */
export const WATCH_OPTIONS = {
  text: {
    type: "string",
    value: "COLUMN|EXPRESSION",
    about: "the text to embed: a column, or SQL over the table's columns",
  },
  key: {
    type: "string",
    value: "COLUMN",
    multiple: true,
    about: "a column of the key, if the table has no primary key",
  },
  vector: {
    type: "string",
    value: "COLUMN",
    about: "the column of the vector, added if it is missing; default: embedding",
  },
  into: {
    type: "string",
    value: "TABLE",
    about: "a separate table for the vectors, created if it is missing",
  },
  chunk: {
    type: "string",
    value: "N",
    about: "with --into: cuts each text into chunks of at most N, with a vector each",
  },
  overlap: {
    type: "string",
    value: "N",
    about: "with --chunk: how much neighbouring chunks share; default: an eighth",
  },
  unit: {
    type: "string",
    value: "characters|tokens",
    about: "with --chunk: what N counts; default: characters",
  },
  tenant: {
    type: "string",
    value: "COLUMN",
    about: "the column that tells whose row it is: the many changes of one tenant delay no other's",
  },
  type: {
    type: "string",
    value: "vector|halfvec",
    about: "the type of a column that is added; default: what HNSW can index",
  },
  dim: {
    type: "string",
    value: "N",
    about: "the length of a column that is added; default: what the model makes",
  },
  name: {
    type: "string",
    value: "NAME",
    about: "the name in commands and messages; default: the name of the table",
  },
  backend: {
    type: "string",
    value: BACKEND_IDS.join("|"),
    about: "what kind of provider, if it is not the environment's",
  },
  model: { type: "string", value: "MODEL", about: "the model, if it is not the environment's" },
  ...PROVIDER_OPTIONS,
  list: { type: "boolean", default: false, about: "lists the sources, as the command sources does" },
  json: JSON_OPTION,
} as const satisfies Options;

/** How texts are to be cut; undefined if they are embedded whole. @throws {UsageError} */
export function chunkOptions({
  chunk,
  overlap,
  unit,
}: Partial<Record<"chunk" | "overlap" | "unit", string>>) {
  if (chunk === undefined) {
    if (overlap === undefined && unit === undefined) return undefined;
    throw new UsageError("--overlap and --unit need --chunk.", "Such as: --chunk 800 --overlap 100");
  }
  return {
    chunk: wholeNumber("--chunk", chunk),
    overlap: overlap === undefined ? undefined : wholeNumber("--overlap", overlap, 0),
    unit: oneOf("--unit", unit, ["characters", "tokens"]),
  };
}
